package defendersim

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Sim is a simulated tenant behind the incident API. It is safe for concurrent
// use.
type Sim struct {
	cfg        Config
	population *population
	signer     signer
	mux        *http.ServeMux
	coders     coders

	mu        sync.Mutex // guards all that follows
	latest    time.Time  // the clock's last reading
	evolution process    // of changes, or of bursts of them
	bursts    []*burst   // under way
	arrivals  process    // of incidents that appear
	incidents map[int64]*tracked
	ids       []int64               // of incidents, in the order in which they came
	highest   int64                 // of them
	merged    int                   // how many of them are merged away
	limits    map[string]*limits    // by endpoint
	rules     map[int64]*activeRule // faults by incident id
	journal   journal
	listing   listing
}

// New makes a simulator whose population stands as it is at the configured
// start.
func New(cfg Config) (*Sim, error) {
	if err := cfg.normalize(); err != nil {
		return nil, fmt.Errorf("simulator: %w", err)
	}
	s := &Sim{
		cfg:        cfg,
		population: newPopulation(cfg),
		signer:     newSigner(cfg.Seed),
		evolution:  newProcess(cfg, streamEvolution, cfg.changeEvents()),
		arrivals:   newProcess(cfg, streamArrivals, cfg.NewPerHour),
		incidents:  make(map[int64]*tracked, cfg.Incidents),
		limits: map[string]*limits{
			EndpointIncident: newLimits(cfg, EndpointIncident),
			EndpointList:     newLimits(cfg, EndpointList),
		},
		rules:   make(map[int64]*activeRule),
		journal: journal{kept: cfg.RequestsKept},
		listing: newListing(cfg),
	}
	for _, i := range s.population.incidents() {
		s.add(*i, s.stamp(cfg.Start))
	}
	s.listing.settle()
	s.mux = s.routes()
	return s, nil
}

func (s *Sim) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("/{tenant}/oauth2/v2.0/token", s.recorded(EndpointToken, s.signIn))
	mux.HandleFunc("/api/incidents", s.recorded(EndpointList, s.listIncidents))
	mux.HandleFunc("/api/incidents/{$}", s.recorded(EndpointList, s.listIncidents))
	mux.HandleFunc("/api/incidents/{id}", s.recorded(EndpointIncident, s.getIncident))
	mux.HandleFunc("/", s.recorded(EndpointOther, notPlayed))
	s.adminRoutes(mux)
	return mux
}

// ServeHTTP answers the API, the token endpoint and the admin endpoints.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// now reads the clock and never goes back. The caller holds the mutex.
func (s *Sim) now() time.Time {
	s.latest = latest(time.Now(), s.latest)
	return s.latest
}

// stamp is how the service dates a moment: its clock may be off.
func (s *Sim) stamp(at time.Time) time.Time { return tick(at.Add(s.cfg.ClockSkew)) }

// add takes an incident into the population at a time of the service's clock.
// The caller holds the mutex.
func (s *Sim) add(i Incident, at time.Time) {
	t := &tracked{}
	s.incidents[i.ID] = t
	s.ids = append(s.ids, i.ID)
	s.highest = max(s.highest, i.ID)
	s.replace(t, i, at)
}

// getIncident answers GET /api/incidents/{id}. The limits come first, so every
// request for an incident takes quota, whatever becomes of it.
func (s *Sim) getIncident(x *exchange) {
	if refused := s.spend(x); refused != nil {
		x.throttle(s.cfg.ThrottleForm, *refused)
		return
	}
	if x.r.Method != http.MethodGet {
		x.methodNotAllowed(http.MethodGet)
		return
	}
	if x.id < 1 {
		x.fail(http.StatusBadRequest, "BadRequest", "The incident id must be a positive integer.")
		return
	}
	if !s.authorize(x) {
		return
	}
	if fault, struck := s.strike(x, x.id); struck && fault.answer(x) {
		return
	}
	x.sendRegular(jsonType)
}

// spend counts a request against the limits.
func (s *Sim) spend(x *exchange) *refusal {
	key := quotaKey{endpoint: x.endpoint, tenant: s.cfg.TenantID, application: s.cfg.ClientID}
	if c, err := s.signer.verify(bearer(x.r)); err == nil {
		key.tenant, key.application = c.TenantID, c.ApplicationID
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.limits[x.endpoint].arrive(key, x.arrived)
}

// serve returns an incident as it stands now, and takes down which state that
// is. There is nothing to serve for ids that are unknown or removed.
func (s *Sim) serve(x *exchange) (Incident, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	s.evolve(now)
	t, known := s.incidents[x.id]
	if !known || t.removed {
		return Incident{}, false
	}
	s.journal.amend(x.number, func(r *Request) { r.State, r.Served = t.present(), now })
	return t.incident, true
}

// peek is serve without a trace, for answers that are spoiled on purpose.
func (s *Sim) peek(id int64) (Incident, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.evolve(s.now())
	t, known := s.incidents[id]
	if !known || t.removed {
		return Incident{}, false
	}
	return t.incident, true
}

func notPlayed(x *exchange) {
	x.fail(http.StatusNotFound, "NotFound", "No such resource: "+x.r.URL.Path)
}

// incidentID reads the id out of a request's path, 0 if there is none.
func incidentID(r *http.Request) int64 {
	text := r.PathValue("id")
	if strings.HasPrefix(text, "+") {
		return 0
	}
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0
	}
	return id
}
