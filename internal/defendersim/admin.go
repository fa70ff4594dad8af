// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// adminRoutes lets people inspect and control the simulator from a terminal.
// There is no authentication: the endpoints are meant for loopback.
func (s *Sim) adminRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /sim/journal", s.showJournal)
	mux.HandleFunc("GET /sim/states", s.showStates)
	mux.HandleFunc("GET /sim/incidents", s.showIncidents)
	mux.HandleFunc("POST /sim/incidents", s.postIncident)
	mux.HandleFunc("GET /sim/faults", s.showFaults)
	mux.HandleFunc("PUT /sim/faults", s.putFault)
	mux.HandleFunc("DELETE /sim/faults", s.deleteFaults)
	mux.HandleFunc("PUT /sim/faults/{id}", s.putFault)
	mux.HandleFunc("DELETE /sim/faults/{id}", s.deleteFault)
	mux.HandleFunc("POST /sim/incidents/{id}/merge", s.steer(func(r *http.Request, id int64) error {
		into, err := strconv.ParseInt(r.FormValue("into"), 10, 64)
		if err != nil {
			return fmt.Errorf("into: %q is not an incident id", r.FormValue("into"))
		}
		return s.Merge(id, into)
	}))
	mux.HandleFunc("POST /sim/incidents/{id}/change", s.steer(func(r *http.Request, id int64) error {
		kind, err := ParseKind(r.FormValue("kind"))
		if err != nil {
			return err
		}
		return s.Change(id, kind)
	}))
	mux.HandleFunc("POST /sim/incidents/{id}/remove", s.steer(func(_ *http.Request, id int64) error { return s.Remove(id) }))
	mux.HandleFunc("POST /sim/incidents/{id}/restore", s.steer(func(_ *http.Request, id int64) error { return s.Restore(id) }))
}

// Summary describes an incident in one line.
type Summary struct {
	ID      int64  `json:"id"`
	Summary string `json:"summary"`
}

// Summaries describes every incident as it stands now.
func (s *Sim) Summaries() []Summary {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.evolve(s.now())
	all := make([]Summary, len(s.ids))
	for n, id := range s.ids {
		all[n] = Summary{ID: id, Summary: s.incidents[id].summary()}
	}
	return all
}

func (t *tracked) summary() string {
	i := &t.incident
	alerts := fmt.Sprintf("%d alerts", len(i.Alerts))
	if len(i.Alerts) == 1 {
		alerts = "1 alert"
	}
	line := fmt.Sprintf("%s, %s, %s, %s: %s", i.Status, i.Severity, alerts, i.LastUpdate.Format(timeForm), i.Name)
	if i.redirected() {
		line = fmt.Sprintf("merged into %d, %s: %s", i.RedirectID, i.LastUpdate.Format(timeForm), i.Name)
	}
	if t.removed {
		return "removed; was " + line
	}
	return line
}

func (s *Sim) showJournal(w http.ResponseWriter, _ *http.Request) {
	journal := s.Journal()
	if journal == nil {
		journal = []Request{}
	}
	writeJSON(w, http.StatusOK, journal)
}

func (s *Sim) showIncidents(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, s.Summaries())
}

// postIncident makes an incident appear and responds with it.
func (s *Sim) postIncident(w http.ResponseWriter, _ *http.Request) { s.showIncident(w, s.Appear()) }

func (s *Sim) showIncident(w http.ResponseWriter, id int64) {
	for _, summary := range s.Summaries() {
		if summary.ID == id {
			writeJSON(w, http.StatusOK, summary)
		}
	}
}

// incidentStates is an incident's history as the admin endpoint shows it.
type incidentStates struct {
	ID     int64   `json:"id"`
	First  int     `json:"first"`
	States []State `json:"states"`
}

func (s *Sim) showStates(w http.ResponseWriter, r *http.Request) {
	all := []incidentStates{}
	for _, id := range s.IDs() {
		if only := r.FormValue("id"); only != "" && only != strconv.FormatInt(id, 10) {
			continue
		}
		states, first := s.History(id)
		all = append(all, incidentStates{id, first, states})
	}
	writeJSON(w, http.StatusOK, all)
}

// faultShown is a rule as the admin endpoint reads and shows it.
type faultShown struct {
	Target      string  `json:"target"` // as in the path, or "all incidents"
	Fault       string  `json:"fault"`
	Probability float64 `json:"probability"`
	Times       int     `json:"times"`
	Every       string  `json:"every"`
	OnSkip      bool    `json:"on_skip"`
	Hits        int     `json:"hits"`
}

func (s *Sim) showFaults(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	shown := []faultShown{}
	for _, id := range slices.Sorted(maps.Keys(s.rules)) {
		r := s.rules[id]
		shown = append(shown, faultShown{targetName(id), r.Fault.String(), r.Probability, r.Times, r.Every.String(), r.OnSkip, r.struck})
	}
	s.mu.Unlock()
	writeJSON(w, http.StatusOK, shown)
}

func (s *Sim) putFault(w http.ResponseWriter, r *http.Request) {
	id, err := faultTarget(r)
	if err != nil {
		writeError(w, err)
		return
	}
	rule, err := readRule(r)
	if err == nil && id > 0 {
		_, err = s.Incident(id)
	}
	if err == nil {
		err = s.SetFault(id, rule)
	}
	if err != nil {
		writeError(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// readRule reads a rule from the query, or from a form in the body.
func readRule(r *http.Request) (Rule, error) {
	var rule Rule
	fault, err := ParseFault(r.FormValue("fault"))
	if err != nil {
		return rule, err
	}
	rule.Fault = fault
	if text := r.FormValue("probability"); text != "" {
		if rule.Probability, err = strconv.ParseFloat(text, 64); err != nil {
			return rule, fmt.Errorf("probability: %q is not a number", text)
		}
	}
	if text := r.FormValue("times"); text != "" {
		if rule.Times, err = strconv.Atoi(text); err != nil {
			return rule, fmt.Errorf("times: %q is not a number", text)
		}
	}
	if text := r.FormValue("every"); text != "" {
		if rule.Every, err = time.ParseDuration(text); err != nil {
			return rule, fmt.Errorf("every: %q is not a duration", text)
		}
	}
	if text := r.FormValue("on_skip"); text != "" {
		if rule.OnSkip, err = strconv.ParseBool(text); err != nil {
			return rule, fmt.Errorf("on_skip: %q is neither true nor false", text)
		}
	}
	return rule, nil
}

func (s *Sim) deleteFaults(w http.ResponseWriter, _ *http.Request) {
	s.ClearFaults()
	w.WriteHeader(http.StatusNoContent)
}

func (s *Sim) deleteFault(w http.ResponseWriter, r *http.Request) {
	id, err := faultTarget(r)
	if err != nil {
		writeError(w, err)
		return
	}
	s.ClearFault(id)
	w.WriteHeader(http.StatusNoContent)
}

// faultTarget is the incident in a fault's path, or "token", "list", "alerts"
// or "alert-list", or all incidents if the path has none.
func faultTarget(r *http.Request) (int64, error) {
	switch text := r.PathValue("id"); {
	case text == "":
		return AllIncidents, nil
	case strings.EqualFold(text, "token"):
		return TokenRequests, nil
	case strings.EqualFold(text, "list"):
		return ListRequests, nil
	case strings.EqualFold(text, "alerts"):
		return AlertRequests, nil
	case strings.EqualFold(text, "alert-list"):
		return AlertListRequests, nil
	default:
		if id := incidentID(r); id > 0 {
			return id, nil
		}
		return 0, fmt.Errorf("%q is neither an incident id nor token, list, alerts or alert-list", text)
	}
}

// targetName is the name of faultTarget's result.
func targetName(id int64) string {
	switch id {
	case AllIncidents:
		return "all incidents"
	case TokenRequests:
		return "token"
	case ListRequests:
		return "list"
	case AlertRequests:
		return "alerts"
	case AlertListRequests:
		return "alert-list"
	}
	return strconv.FormatInt(id, 10)
}

// steer wraps an action on one incident, and responds with the result.
func (s *Sim) steer(act func(r *http.Request, id int64) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id := incidentID(r)
		if err := act(r, id); err != nil {
			writeError(w, err)
			return
		}
		s.showIncident(w, id)
	}
}

func writeError(w http.ResponseWriter, err error) {
	status := http.StatusBadRequest
	if _, none := errors.AsType[unknownError](err); none {
		status = http.StatusNotFound
	}
	writeJSON(w, status, map[string]string{"error": err.Error()})
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	_ = e.Encode(value) // the client may have disconnected
}
