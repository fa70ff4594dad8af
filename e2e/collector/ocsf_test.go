// SPDX-License-Identifier: Apache-2.0

//go:build unix

package collector

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/e2e/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

// startOCSF starts a collector with the example.
func (s *setup) startOCSF(api, alerts string) {
	s.T.Helper()
	s.use(api)
	s.settings.Interval = time.Second
	example := harness.Example{Name: "ocsf.yaml", Env: map[string]string{"OTLP_ENDPOINT": s.settings.Sink}, Overlays: []string{
		s.settings.Overlay(s.T), "receivers: {defender_incidents: {alerts: " + alerts + "}}",
	}}
	s.launch(example.Environment(s.T), append(example.Arguments(s.T), "--feature-gates=+ottl.functions.enableLambda")...)
}

func TestEveryChangeBecomesAnOCSFIncidentFinding(t *testing.T) {
	t.Parallel()
	for _, api := range []string{"defender_xdr", "graph"} {
		for _, alerts := range []string{"embedded", "split"} {
			t.Run(api+" "+alerts, func(t *testing.T) {
				t.Parallel()
				s := newSetup(t, quiet(6), func(c *harness.Settings) { c.IDs = append(c.IDs, 1007) }) // does not exist
				s.prepareIncidents()
				s.startOCSF(api, alerts)
				s.await("all incidents", func() bool { return len(s.events()) >= 7 })
				s.changeIncidents()
				s.await("their changes", func() bool { return len(s.events()) >= 7+5 })
				require.NotContains(t, s.stop(), "failed to execute statement")
				s.requireEvents(alerts)
			})
		}
	}
}

// prepareIncidents makes an incident of each kind.
func (s *setup) prepareIncidents() {
	s.T.Helper()
	const analyst = "analyst@contoso.example"
	for id, is := range map[int64][5]string{
		1001: {"InProgress", "High", "TruePositive", "Malware", analyst},
		1002: {"Resolved", "Low", "FalsePositive", "Clean", ""},
		1003: {"AwaitingAction", "UnSpecified", "InformationalExpectedActivity", "SecurityTesting", "Automation"},
		1004: {"Active", "Informational", "Unknown", "NotAvailable", ""},
		1005: {"Escalated", "Extreme", "Odd", "Odd", ""},
		1006: {"Active", "Medium", "InformationalExpectedActivity", "LineOfBusinessApplication", ""},
	} {
		s.change(id, func(i *defendersim.Incident) {
			i.Status, i.Severity, i.Classification, i.Determination, i.AssignedTo = is[0], is[1], is[2], is[3], is[4]
			for n := range i.Alerts { // which the incident's severity follows
				i.Alerts[n].Severity = i.Severity
			}
		})
	}
}

func (s *setup) changeIncidents() {
	s.T.Helper()
	s.change(1001, func(i *defendersim.Incident) { i.Status = "Resolved" })
	s.change(1002, func(i *defendersim.Incident) { i.Status = "Active" })
	s.change(1003, func(i *defendersim.Incident) { i.AssignedTo = "analyst@contoso.example" })
	require.NoError(s.T, s.Sim.Merge(1004, 1006))
}

// event is the body of a record.
type event = map[string]any

func (s *setup) events() []event {
	var events []event
	for _, logs := range s.sink.Deliveries() {
		for _, r := range logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().All() {
			e, ok := r.Body().AsRaw().(event)
			require.True(s.T, ok, "a body that is no object")
			events = append(events, e)
		}
	}
	return events
}

// requireEvents compares the events with what happened. Words that the schema
// does not have keep the case of the API.
func (s *setup) requireEvents(alerts string) {
	s.T.Helper()
	story := map[string][]string{}
	for _, e := range s.events() {
		s.requireIncidentFinding(e, alerts)
		meta := e["metadata"].(event)
		about := fmt.Sprintf("%v %v", meta["correlation_uid"], meta["event_code"])
		story[about] = append(story[about], strings.ToLower(fmt.Sprintf("%v %v: %v %v, %v %v, %v %v, %v", e["activity_id"], e["activity_name"],
			e["severity_id"], e["severity"], e["status_id"], e["status"], e["verdict_id"], e["verdict"], e["assignee"].(event)["name"])))
	}
	wanted := map[string][]string{
		"1001 first_seen": {"1 create: 4 high, 2 in progress, 2 true positive, analyst@contoso.example"},
		"1001 resolved":   {"3 close: 4 high, 4 resolved, 2 true positive, analyst@contoso.example"},
		"1002 first_seen": {"1 create: 2 low, 4 resolved, 1 false positive, unassigned"},
		"1002 reopened":   {"2 update: 2 low, 1 new, 1 false positive, unassigned"},
		"1003 first_seen": {"1 create: 0 unknown, 3 on hold, 6 test, automation"},
		"1003 updated":    {"2 update: 0 unknown, 3 on hold, 6 test, analyst@contoso.example"},
		"1004 first_seen": {"1 create: 1 informational, 1 new, 0 unknown, unassigned"},
		"1004 merged":     {"3 close: 1 informational, 99 redirected, 0 unknown, unassigned"},
		"1005 first_seen": {"1 create: 99 extreme, 99 escalated, 99 odd, unassigned"},
		"1006 first_seen": {"1 create: 3 medium, 1 new, 5 benign, unassigned"},
		"1006 updated":    {"2 update: 3 medium, 1 new, 5 benign, unassigned"},
		"1007 not_found":  {"99 not_found: 0 unknown, 0 unknown, 0 unknown, unassigned"},
	}
	require.Equal(s.T, wanted, story)
}

// requireIncidentFinding requires an event that conforms to the schema and has
// all its alerts.
func (s *setup) requireIncidentFinding(e event, alerts string) {
	s.T.Helper()
	require.Empty(s.T, incidentFinding().flaws("", e))
	require.EqualValues(s.T, e["class_uid"].(int64)*100+e["activity_id"].(int64), e["type_uid"])

	meta := e["metadata"].(event)
	findings := e["finding_info_list"].([]any)
	itself := findings[len(findings)-1].(event)
	require.Equal(s.T, meta["correlation_uid"], itself["uid"])
	if alerts == "split" {
		require.Len(s.T, findings, 1)
		return
	}
	count, told := e["unmapped"].(event)["alert_count"].(int64)
	require.Len(s.T, findings, int(count)+1)
	require.Equal(s.T, meta["event_code"] != "not_found", told)
	for _, f := range findings[:count] {
		s.requireAlert(f.(event))
	}
}

// requireAlert compares a finding with its alert.
func (s *setup) requireAlert(finding event) {
	s.T.Helper()
	alert, found := s.alert(finding["uid"].(string))
	require.True(s.T, found, finding["uid"])
	require.Equal(s.T, alert.Title, finding["title"])
	require.Equal(s.T, alert.Description, finding["desc"])
	require.Equal(s.T, []any{alert.Category}, finding["types"])
	for name, at := range map[string]time.Time{
		"created_time": alert.Created, "first_seen_time": alert.FirstActivity, "last_seen_time": alert.LastActivity,
	} {
		require.Equal(s.T, at.UnixMilli(), finding[name], name)
	}
	require.LessOrEqual(s.T, finding["modified_time"], alert.LastUpdated.UnixMilli(), "the alert may have changed since")
	var techniques []any
	for _, id := range alert.MitreTechniques {
		technique, _, isSub := strings.Cut(id, ".")
		attack := event{"technique": event{"uid": technique}}
		if isSub {
			attack["sub_technique"] = event{"uid": id}
		}
		techniques = append(techniques, attack)
	}
	if len(techniques) == 0 {
		require.NotContains(s.T, finding, "attacks")
		return
	}
	require.Equal(s.T, techniques, finding["attacks"])
}

// alert returns the alert with that ID, whichever incident has it.
func (s *setup) alert(id string) (alert defendersim.Alert, found bool) {
	for _, incidentID := range s.Sim.IDs() {
		i, err := s.Sim.Incident(incidentID)
		require.NoError(s.T, err)
		if n := slices.IndexFunc(i.Alerts, func(a defendersim.Alert) bool { return a.ID == id }); n >= 0 {
			return i.Alerts[n], true
		}
	}
	return defendersim.Alert{}, false
}

// The part of OCSF 1.5.0 that the example uses:
// https://schema.ocsf.io/1.5.0/classes/incident_finding

// shape is a type of the schema. flaws returns how a value violates it.
type shape interface {
	flaws(path string, value any) []string
}

// kind is a scalar type.
type kind string

const (
	text    kind = "string_t"
	whole   kind = "integer_t"
	instant kind = "timestamp_t" // milliseconds since 1970
)

func (k kind) flaws(path string, value any) []string {
	n, isWhole := value.(int64)
	ok := isWhole
	switch k {
	case text:
		var t string
		t, ok = value.(string)
		ok = ok && t != ""
	case instant:
		ok = isWhole && time.UnixMilli(n).Year() >= 2020 && time.UnixMilli(n).Year() < 2100
	case whole:
	}
	if !ok {
		return []string{fmt.Sprintf("%s: %v (%T) is no %s", path, value, value, k)}
	}
	return nil
}

// constant allows one value.
type constant struct{ value any }

func (c constant) flaws(path string, value any) []string {
	if value != c.value {
		return []string{fmt.Sprintf("%s: %v is not %v", path, value, c.value)}
	}
	return nil
}

// enum maps numbers to captions. The caption of 99 (Other) is free.
type enum map[int64]string

func (n enum) flaws(path string, value any) []string {
	id, ok := value.(int64)
	if _, known := n[id]; !ok || !known && id != 99 {
		return []string{fmt.Sprintf("%s: %v (%T) is not among %v", path, value, value, n)}
	}
	return nil
}

// several is a list with at least one element.
type several struct{ of shape }

func (s several) flaws(path string, value any) []string {
	elements, ok := value.([]any)
	if !ok || len(elements) == 0 {
		return []string{fmt.Sprintf("%s: %v (%T) is no list of any", path, value, value)}
	}
	var flaws []string
	for i, element := range elements {
		flaws = append(flaws, s.of.flaws(fmt.Sprintf("%s[%d]", path, i), element)...)
	}
	return flaws
}

// object has attributes, some of them required, and some with a caption in
// another attribute.
type object struct {
	attributes map[string]shape
	required   []string
	captions   map[string]string // name of the caption by name of the number
}

func (o object) flaws(path string, value any) []string {
	found, ok := value.(event)
	if !ok {
		return []string{fmt.Sprintf("%s: %v (%T) is no object", path, value, value)}
	}
	var flaws []string
	for name, value := range found {
		if attribute, known := o.attributes[name]; known {
			flaws = append(flaws, attribute.flaws(path+"."+name, value)...)
		} else {
			flaws = append(flaws, path+"."+name+": there is no such attribute")
		}
	}
	for _, name := range o.required {
		if _, there := found[name]; !there {
			flaws = append(flaws, path+"."+name+": missing")
		}
	}
	for number, caption := range o.captions {
		id, _ := found[number].(int64)
		known, normal := o.attributes[number].(enum)[id]
		if normal && found[caption] != known {
			flaws = append(flaws, fmt.Sprintf("%s.%s: %v is not the caption of %d", path, caption, found[caption], id))
		}
	}
	slices.Sort(flaws)
	return flaws
}

// incidentFinding is class 2005. It requires assignee or assignee_group; the
// example has the first.
func incidentFinding() object {
	return object{
		attributes: map[string]shape{
			"activity_id": enum{1: "Create", 2: "Update", 3: "Close"}, "activity_name": text,
			"category_uid": constant{int64(2)}, "category_name": constant{"Findings"},
			"class_uid": constant{int64(2005)}, "class_name": constant{"Incident Finding"},
			"type_uid": whole, "type_name": text,
			"time":        instant,
			"severity_id": enum{0: "Unknown", 1: "Informational", 2: "Low", 3: "Medium", 4: "High", 5: "Critical", 6: "Fatal"}, "severity": text,
			"status_id": enum{0: "Unknown", 1: "New", 2: "In Progress", 3: "On Hold", 4: "Resolved", 5: "Closed"}, "status": text,
			"verdict_id": enum{
				0: "Unknown", 1: "False Positive", 2: "True Positive", 3: "Disregard", 4: "Suspicious", 5: "Benign",
				6: "Test", 7: "Insufficient Data", 8: "Security Risk", 9: "Managed Externally", 10: "Duplicate",
			}, "verdict": text,
			"desc": text, "src_url": text,
			"assignee":          object{attributes: map[string]shape{"name": text, "email_addr": text}, required: []string{"name"}},
			"finding_info_list": several{findingInfo()},
			"metadata":          metadata(),
			"unmapped":          anything{},
		},
		required: []string{
			"activity_id", "category_uid", "class_uid", "type_uid", "time", "severity_id", "status_id", "finding_info_list", "metadata",
			"assignee",
		},
		captions: map[string]string{"activity_id": "activity_name", "severity_id": "severity", "status_id": "status", "verdict_id": "verdict"},
	}
}

func findingInfo() object {
	technique := object{attributes: map[string]shape{"uid": text}, required: []string{"uid"}}
	return object{
		attributes: map[string]shape{
			"uid": text, "title": text, "desc": text, "src_url": text, "types": several{text}, "data_sources": several{text},
			"created_time": instant, "modified_time": instant, "first_seen_time": instant, "last_seen_time": instant,
			"attacks": several{object{
				attributes: map[string]shape{"technique": technique, "sub_technique": technique}, required: []string{"technique"},
			}},
		},
		required: []string{"uid", "title", "types"},
	}
}

func metadata() object {
	return object{
		attributes: map[string]shape{
			"version": constant{"1.5.0"}, "profiles": several{constant{"incident"}},
			"product": object{
				attributes: map[string]shape{"name": text, "vendor_name": text}, required: []string{"name", "vendor_name"},
			},
			"uid": text, "correlation_uid": text, "event_code": text, "tenant_uid": text, "original_time": text, "logged_time": instant,
		},
		required: []string{"version", "product", "uid"},
	}
}

// anything is an object without a schema.
type anything struct{}

func (anything) flaws(path string, value any) []string {
	if _, ok := value.(event); !ok {
		return []string{fmt.Sprintf("%s: %v (%T) is no object", path, value, value)}
	}
	return nil
}
