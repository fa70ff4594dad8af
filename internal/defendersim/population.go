// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"fmt"
	"math"
	"time"
)

const (
	// maxAlerts is the number at which the alerts of an incident seem to stop.
	maxAlerts = 150
	// oldest is how long before the start the first incident was created.
	oldest = 30 * 24 * time.Hour
	// largestAlert is the size of the largest alert seen, as compact
	// JSON, in bytes.
	largestAlert = 20800
)

// population generates incidents. Each one has a random stream of its own, so
// its content depends only on the seed, its ID and the start.
type population struct {
	cfg     Config
	start   time.Time
	words   vocabulary
	people  []person
	devices []Device
}

func newPopulation(c Config) *population {
	d := newDice(c.Seed, streamPopulation, 0)
	start := tick(c.Start.Add(c.ClockSkew))
	people := newPeople(d)
	return &population{
		cfg:     c,
		start:   start,
		words:   newVocabulary(),
		people:  people,
		devices: newDevices(d, people, start.Add(-oldest)),
	}
}

// incidents generates the whole population as it is at the
// start, including mergers.
func (p *population) incidents() []*Incident {
	all := make([]*Incident, p.cfg.Incidents)
	for n := range all {
		all[n] = p.incident(n)
	}
	p.mergeSome(all)
	return all
}

// incident generates the n-th incident. Later IDs were created later.
func (p *population) incident(n int) *Incident {
	id := p.cfg.FirstID + int64(n)
	d := newDice(p.cfg.Seed, streamIncident, uint64(id))
	age := float64(oldest) * (1 - (float64(n)+0.5)/float64(p.cfg.Incidents))
	created := p.start.Add(-time.Duration(age))
	updated := d.between(created.Add(time.Second), p.start)
	i := &Incident{
		ID:             id,
		Name:           pick(d, p.words.incidentNames),
		Created:        d.coarse(created),
		LastUpdate:     d.coarse(updated),
		Classification: "Unknown",
		Determination:  "NotAvailable",
		Status:         StatusActive,
	}
	if i.LastUpdate.Before(i.Created) {
		i.LastUpdate = i.Created
	}
	for range p.alertCount(d) {
		i.Alerts = append(i.Alerts, p.alert(d, id, d.between(created, updated), updated))
	}
	i.sortAlerts()
	i.raiseSeverity()
	p.work(d, i)
	return i
}

// work applies what analysts did to an incident before the start.
func (p *population) work(d dice, i *Incident) {
	switch p.statusAtStart(d) {
	case StatusResolved:
		i.Status = StatusResolved
		i.Classification = pick(d, p.words.classifications)
		i.Determination = pick(d, p.words.determinations)
		i.AssignedTo = pick(d, p.words.analysts)
	case StatusInProgress:
		i.Status = StatusInProgress
		i.AssignedTo = pick(d, p.words.analysts)
	}
	if d.chance(0.3) {
		i.Tags = []string{pick(d, p.words.tags)}
	}
	if d.chance(0.25) {
		i.Comments = []Comment{{pick(d, p.words.remarks), pick(d, p.words.analysts), i.LastUpdate}}
	}
}

func (p *population) statusAtStart(d dice) string {
	mix := p.cfg.Statuses
	if mix == (StatusMix{}) {
		switch {
		case d.chance(0.35):
			return StatusResolved
		case d.chance(0.3):
			return StatusInProgress
		}
		return StatusActive
	}
	switch at := d.Float64() * (mix.Active + mix.InProgress + mix.Resolved); {
	case at < mix.Active:
		return StatusActive
	case at < mix.Active+mix.InProgress:
		return StatusInProgress
	}
	return StatusResolved
}

// alertCount is mostly 1 to 5, with a long tail.
func (p *population) alertCount(d dice) int {
	if p.cfg.LargeShare > 0 && d.chance(p.cfg.LargeShare) {
		return maxAlerts
	}
	if p.cfg.AlertsPerIncident > 0 {
		return p.cfg.AlertsPerIncident
	}
	switch roll := d.Float64(); {
	case roll < 0.50:
		return 1
	case roll < 0.92:
		return 2 + d.IntN(4)
	case roll < 0.985:
		return 6 + d.IntN(15)
	case roll < 0.997:
		return 21 + d.IntN(40)
	default:
		return 61 + d.IntN(maxAlerts-60)
	}
}

// alert generates an alert that was created and last changed at about the given
// times; one in five changed after its incident did.
func (p *population) alert(d dice, incident int64, created, updated time.Time) Alert {
	s := p.service(d)
	f := pick(d, s.findings)
	a := Alert{
		ID:                 alertID(d, s, created),
		IncidentID:         incident,
		ServiceSource:      s.name,
		Created:            d.coarse(created),
		FirstActivity:      d.coarse(created.Add(-time.Duration(1+d.IntN(600)) * time.Second)),
		LastActivity:       d.coarse(created),
		Title:              f.title,
		Description:        f.description,
		Category:           f.category,
		Status:             StatusNew,
		Severity:           alertSeverity(d),
		InvestigationState: pick(d, p.words.investigation),
		DetectionSource:    s.detection,
		DetectorID:         d.guid(),
		ActorName:          pick(d, p.words.actors),
		ThreatFamilyName:   pick(d, p.words.families),
		MitreTechniques:    f.techniques,
	}
	a.ProviderID = a.ID
	if s.prefix != "da" {
		a.ProviderID = d.digest(32)
	}
	if d.chance(0.3) {
		a.InvestigationID = 1 + d.Int64N(9000)
	}
	if d.chance(0.2) {
		updated = d.between(updated, updated.Add(17*time.Hour))
	}
	a.LastUpdated = latest(a.Created, earliest(d.coarse(updated), p.start))
	if d.chance(0.3) {
		a.Status, a.Resolved, a.AssignedTo = StatusResolved, a.LastUpdated, "Automation"
		a.Classification, a.Determination = pick(d, p.words.classifications), pick(d, p.words.determinations)
	}
	p.fill(d, &a, s)
	return a
}

// service picks a source of alerts; most come from endpoints.
func (p *population) service(d dice) service {
	if d.chance(0.4) {
		return p.words.services[0]
	}
	return pick(d, p.words.services)
}

// fill adds evidence until the alert has about the random or configured size.
func (p *population) fill(d dice, a *Alert, s service) {
	target := int(math.Min(largestAlert, d.skewed(1050, 0.85)))
	if p.cfg.AlertBytes > 0 {
		target = p.cfg.AlertBytes
	}
	w := &writer{}
	w.xdrAlert(*a)
	size := len(w.buf)
	if device := pick(d, p.devices); s.onDevices && size+200 < target {
		a.Devices = []Device{device}
		w.buf = w.buf[:0]
		w.xdrDevice(device)
		size += len(w.buf)
	}
	// Three consecutive pieces that would exceed the size end it; there must be
	// at least one.
	for misfits := 0; misfits < 3; {
		e := p.entity(d, pick(d, s.evidence), a.Created)
		w.buf = w.buf[:0]
		w.xdrEntity(e)
		if size+len(w.buf)/2 > target {
			misfits++
			if misfits < 3 || len(a.Entities) > 0 {
				continue
			}
		}
		a.Entities = append(a.Entities, e)
		size += len(w.buf) + 1
	}
}

func alertSeverity(d dice) string {
	return pick(d, []string{SeverityInformational, SeverityLow, SeverityLow, SeverityMedium, SeverityMedium, SeverityMedium, SeverityHigh, SeverityHigh, SeverityUnspecified})
}

// alertID has the form of the service's alert IDs.
func alertID(d dice, s service, created time.Time) string {
	switch s.prefix {
	case "da":
		return fmt.Sprintf("da%d%04d_%d", created.UnixMicro(), d.IntN(10000), int32(d.Uint32()))
	case "fa", "ar":
		return s.prefix + d.guid()
	default:
		return s.prefix + d.digest(40)
	}
}

// mergeSome merges a share of the incidents into others before the start.
func (p *population) mergeSome(all []*Incident) {
	d := newDice(p.cfg.Seed, streamPopulation, 1)
	order := d.Perm(len(all))
	merged := min(int(math.Round(p.cfg.MergedShare*float64(len(all)))), len(all)-1)
	for n := range merged {
		from, into := all[order[n]], all[order[merged+d.IntN(len(all)-merged)]]
		delay := time.Duration(math.Min(d.skewed(192, 1.6), 51*3600) * float64(time.Second))
		at := earliest(tick(from.Created.Add(max(delay, 2*time.Second))), p.start)
		from.LastUpdate = from.Created // nothing but the merger happened to it
		merge(from, into, latest(at, into.Created))
	}
}

// tick truncates a time to the API's precision.
func tick(t time.Time) time.Time { return t.UTC().Truncate(100 * time.Nanosecond) }

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
