// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"cmp"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Sim is a simulated tenant behind the incident API. It is safe
// for concurrent use.
type Sim struct {
	cfg        Config
	dialects   speaks
	population *population
	signer     *signer
	mux        *http.ServeMux
	coders     coders
	texts      texts
	pages      sync.Pool // of *writer, for the next page: each holds hundreds of kilobytes

	mu        sync.Mutex // guards all that follows
	latest    time.Time  // the latest reading of the clock
	evolution process    // of changes, or of bursts of them
	bursts    []*burst   // under way
	arrivals  process    // of incidents that appear
	closings  process    // of many incidents at once
	incidents map[int64]*tracked
	ids       []int64               // of incidents, in the order in which they appeared
	highest   int64                 // of them
	merged    int                   // how many of them are merged away
	limits    map[string]*limits    // by what shares a budget
	rules     map[int64]*activeRule // faults by incident ID
	throws    map[int64]uint64      // of the faults' dice, by the same key
	latencies map[int64]uint64      // requests with a drawn latency, by the same key
	journal   journal
	alerts    map[string]*shown // the newest version of each, shown or not
	xdrList   listing
	graphList listing
	alertList listing
}

// New makes a simulator with the population as it is at the configured start.
func New(cfg Config) (*Sim, error) {
	if err := cfg.normalize(); err != nil {
		return nil, fmt.Errorf("simulator: %w", err)
	}
	s := &Sim{
		cfg:        cfg,
		dialects:   speaks{newXDR(cfg), newGraph(cfg), newGraphAlerts(cfg)},
		population: newPopulation(cfg),
		signer:     newSigner(cfg.Seed),
		evolution:  newProcess(cfg, streamEvolution, cfg.changeEvents()),
		arrivals:   newProcess(cfg, streamArrivals, cfg.NewPerHour),
		closings:   process{dice: newDice(cfg.Seed, streamClosings, 0), next: cfg.Start.Add(time.Hour)},
		incidents:  make(map[int64]*tracked, cfg.Incidents),
		limits: map[string]*limits{
			EndpointIncident: newLimits(cfg, EndpointIncident),
			EndpointList:     newLimits(cfg, EndpointList),
			APIGraph:         newLimits(cfg, APIGraph),
		},
		rules:     make(map[int64]*activeRule),
		throws:    make(map[int64]uint64),
		latencies: make(map[int64]uint64),
		texts:     newTexts(),
		journal:   journal{kept: cfg.RequestsKept},
		alerts:    make(map[string]*shown),
		xdrList:   newListing(cfg, false),
		graphList: newListing(cfg, true),
		alertList: newListing(cfg, true),
	}
	for _, i := range s.population.incidents() {
		s.add(*i, s.stamp(cfg.Start))
	}
	s.loosen()
	for _, l := range s.lists() {
		l.started = true
	}
	s.mux = s.routes()
	return s, nil
}

func (s *Sim) routes() *http.ServeMux {
	mux := http.NewServeMux()
	xdr, graph, graphAlerts := s.dialects.xdr, s.dialects.graph, s.dialects.graphAlerts
	mux.HandleFunc("/{tenant}/oauth2/v2.0/token", s.recorded(xdr, EndpointToken, s.signIn))
	mux.HandleFunc("/api/incidents", s.recorded(xdr, EndpointList, s.handle))
	mux.HandleFunc("/api/incidents/{$}", s.recorded(xdr, EndpointList, s.handle))
	mux.HandleFunc("/api/incidents/{id}", s.recorded(xdr, EndpointIncident, s.handle))
	mux.HandleFunc("/v1.0/security/incidents", s.recorded(graph, EndpointList, s.handle))
	mux.HandleFunc("/v1.0/security/incidents/{$}", s.recorded(graph, EndpointList, s.handle))
	mux.HandleFunc("/v1.0/security/incidents/{id}", s.recorded(graph, EndpointIncident, s.handle))
	mux.HandleFunc("/v1.0/security/incidents/{id}/alerts", s.recorded(graph, EndpointAlerts, s.handle))
	alertList := s.handle
	if s.cfg.NoAlertList {
		alertList = s.notThere
	}
	mux.HandleFunc("/v1.0/security/alerts_v2", s.recorded(graphAlerts, EndpointAlertList, alertList))
	mux.HandleFunc("/v1.0/security/alerts_v2/{$}", s.recorded(graphAlerts, EndpointAlertList, alertList))
	mux.HandleFunc("/v1.0/security/", s.recorded(graph, EndpointOther, notPlayed))
	mux.HandleFunc("/", s.recorded(xdr, EndpointOther, notPlayed))
	s.adminRoutes(mux)
	return mux
}

func (s *Sim) lists() []*listing { return []*listing{&s.xdrList, &s.graphList, &s.alertList} }

// ServeHTTP serves the API, the token endpoint and the admin endpoints.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// now reads the clock and never goes back. The caller holds the mutex.
func (s *Sim) now() time.Time {
	s.latest = latest(time.Now(), s.latest)
	return s.latest
}

// stamp is a moment by the service's clock, which may be off.
func (s *Sim) stamp(at time.Time) time.Time { return tick(at.Add(s.cfg.ClockSkew)) }

// add adds an incident to the population at a time of the service's clock. The
// caller holds the mutex.
func (s *Sim) add(i Incident, at time.Time) {
	t := &tracked{opened: -1}
	s.incidents[i.ID] = t
	s.ids = append(s.ids, i.ID)
	s.highest = max(s.highest, i.ID)
	s.replace(t, i, at)
}

// handle handles a call of either API. The limits come first, so every request
// counts against the quota, whatever its outcome.
func (s *Sim) handle(x *exchange) {
	if refused := s.spend(x); refused != nil {
		x.throttle(cmp.Or(s.cfg.ThrottleForm, x.dialect.throttleForm), *refused)
		return
	}
	x.drawLatency()
	x.linger()
	if x.r.Method != http.MethodGet {
		x.methodNotAllowed(http.MethodGet)
		return
	}
	if !x.lists() && x.id < 1 {
		x.fail(http.StatusBadRequest, "BadRequest", "The incident id must be a positive integer.")
		return
	}
	if !s.authorize(x) {
		return
	}
	if wrong := x.readQuery(); wrong != "" {
		x.fail(http.StatusBadRequest, "BadRequest", wrong)
		return
	}
	if x.query.expand && x.query.given.Has("$filter") {
		x.fail(http.StatusInternalServerError, "InternalServerError", "") // as on large tenants
		return
	}
	x.prefer()
	if fault, struck := s.strike(x, x.target()); struck && fault.apply(x) {
		return
	}
	x.sendRegular(jsonType)
}

// spend counts a request against the limits.
func (s *Sim) spend(x *exchange) *refusal {
	key := quotaKey{tenant: s.cfg.TenantID, application: s.cfg.ClientID}
	if c, err := s.signer.verify(bearer(x.r)); err == nil {
		key.tenant, key.application = c.TenantID, c.ApplicationID
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.limits[x.budget()].arrive(key, x.arrived)
}

// budget is the quota of a request.
func (x *exchange) budget() string { return cmp.Or(x.dialect.budget, x.endpoint) }

// look returns an incident's current state. Unknown or removed IDs
// are not found.
func (s *Sim) look(id int64) (row shown, at time.Time, found bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at = s.now()
	s.evolve(at)
	t, known := s.incidents[id]
	if !known || t.removed {
		return shown{}, at, false
	}
	return *t.row(), at, true
}

// notThere responds like an API without that call. The request still counts
// against the quota.
func (s *Sim) notThere(x *exchange) {
	if refused := s.spend(x); refused != nil {
		x.throttle(cmp.Or(s.cfg.ThrottleForm, x.dialect.throttleForm), *refused)
		return
	}
	notPlayed(x)
}

func notPlayed(x *exchange) {
	x.fail(http.StatusNotFound, "NotFound", "No such resource: "+x.r.URL.Path)
}

// incidentID reads the ID from a request's path, 0 if there is none.
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
