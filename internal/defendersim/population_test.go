// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// everything returns all incidents of a large, quiet population.
func everything(t *testing.T, change func(*Config)) []Incident {
	t.Helper()
	s := newSim(t, func(c *Config) {
		c.Incidents = 1000
		if change != nil {
			change(c)
		}
	})
	all := make([]Incident, 0, len(s.ids))
	for _, id := range s.ids {
		all = append(all, s.incidents[id].incident)
	}
	return all
}

func alertBytes(a Alert) int {
	w := &writer{}
	w.xdrAlert(a)
	return len(w.buf)
}

func TestAlertsHaveTheSizesOfRealOnes(t *testing.T) {
	var sizes []int
	sum := 0
	for _, i := range everything(t, nil) {
		for _, a := range i.Alerts {
			sizes = append(sizes, alertBytes(a))
			sum += alertBytes(a)
		}
	}
	slices.Sort(sizes)
	assert.InDelta(t, 1400, sizes[len(sizes)/2], 150, "median")
	assert.InDelta(t, 1900, sum/len(sizes), 200, "mean")
	assert.Greater(t, sizes[len(sizes)-1], 10_000, "largest")
	assert.Less(t, sizes[len(sizes)-1], 22_000, "largest")
}

func TestMostIncidentsAreSmallAndAFewAreLarge(t *testing.T) {
	small, most := 0, 0
	all := everything(t, nil)
	for _, i := range all {
		require.NotEmpty(t, i.Alerts)
		if len(i.Alerts) <= 5 {
			small++
		}
		most = max(most, len(i.Alerts))
	}
	assert.Greater(t, float64(small)/float64(len(all)), 0.85)
	assert.Greater(t, most, 60)
	assert.LessOrEqual(t, most, maxAlerts)
}

func TestTheMixOfStatusesAndTheShareOfLargeIncidentsCanBeChosen(t *testing.T) {
	statuses, large := map[string]int{}, 0
	all := everything(t, func(c *Config) {
		c.Incidents, c.MergedShare, c.AlertsPerIncident, c.AlertBytes = 10_000, 0.1, 1, 1
		c.Statuses, c.LargeShare = StatusMix{60, 30, 10}, 0.005
	})
	for _, i := range all {
		statuses[i.Status]++
		if len(i.Alerts) >= maxAlerts {
			large++
		}
	}
	assert.Equal(t, 1000, statuses[StatusRedirected], "merged ones are extra")
	assert.InDelta(t, 5400, statuses[StatusActive], 150)
	assert.InDelta(t, 2700, statuses[StatusInProgress], 150)
	assert.InDelta(t, 900, statuses[StatusResolved], 100)
	assert.InDelta(t, 50, large, 20)
}

func TestSizesCanBePinned(t *testing.T) {
	sum := 0
	all := everything(t, func(c *Config) { c.Incidents, c.AlertsPerIncident, c.AlertBytes = 2, 150, 20_000 })
	for _, i := range all {
		require.Len(t, i.Alerts, 150)
		for _, a := range i.Alerts {
			sum += alertBytes(a)
		}
	}
	assert.InDelta(t, 20_000, sum/(2*150), 500)
}

func TestIncidentsHoldTogether(t *testing.T) {
	seen := make(map[string]bool)
	start := time.Now()
	for _, i := range everything(t, func(c *Config) { c.Start, c.MergedShare = start, 0.1 }) {
		severity := i.Severity
		i.raiseSeverity()
		require.Equal(t, i.Severity, severity)
		require.False(t, i.LastUpdate.Before(i.Created), "incident %d", i.ID)
		require.False(t, i.LastUpdate.After(start.Add(time.Millisecond)), "incident %d", i.ID)
		require.True(t, slices.IsSortedFunc(i.Alerts, func(a, b Alert) int { return a.Created.Compare(b.Created) }))
		require.Equal(t, i.redirected(), i.RedirectID != 0)
		for _, a := range i.Alerts {
			require.False(t, seen[a.ID], "alert %s twice", a.ID)
			seen[a.ID] = true
			require.Equal(t, i.ID, a.IncidentID)
			require.False(t, a.LastUpdated.Before(a.Created))
			require.False(t, a.LastUpdated.After(start.Add(time.Millisecond)))
			require.Equal(t, a.Status == StatusResolved, !a.Resolved.IsZero())
		}
	}
}

func TestSomeAlertsChangedAfterTheirIncident(t *testing.T) {
	behind := 0
	for _, i := range everything(t, nil) {
		for _, a := range i.Alerts {
			if a.LastUpdated.Sub(i.LastUpdate) > 2*time.Hour {
				behind++
			}
		}
	}
	assert.Greater(t, behind, 50)
}

func TestMergedShareOfThePopulationIsMergedAtTheStart(t *testing.T) {
	merged := 0
	all := everything(t, func(c *Config) { c.MergedShare = 0.1 })
	byID := make(map[int64]Incident)
	for _, i := range all {
		byID[i.ID] = i
	}
	for _, i := range all {
		if !i.redirected() {
			continue
		}
		merged++
		assert.Empty(t, i.Alerts)
		assert.False(t, byID[i.RedirectID].redirected(), "no chains")
		assert.GreaterOrEqual(t, i.LastUpdate.Sub(i.Created), time.Second)
	}
	assert.Equal(t, 100, merged)
}

func TestPopulationShowsEveryKindOfAlertEntityAndWord(t *testing.T) {
	prefixes, entities, digits := map[string]bool{}, map[string]bool{}, map[int]bool{}
	fraction := regexp.MustCompile(`\.(\d+)Z$`)
	var text strings.Builder
	for _, i := range everything(t, nil) {
		text.Write(renderXDR(i, "t"))
		digits[len(strings.Join(fraction.FindStringSubmatch(i.LastUpdate.Format(timeForm)), ""))] = true
		for _, a := range i.Alerts {
			prefixes[a.ID[:2]] = true
			for _, e := range a.Entities {
				entities[e.Type] = true
			}
		}
	}
	for _, prefix := range []string{"da", "ad", "fa", "ca", "ma", "ar", "dc"} {
		assert.True(t, prefixes[prefix], prefix)
	}
	for _, kind := range []string{"User", "Ip", "Url", "File", "Process", "MailBox", "Mailbox", "MailMessage", "MailCluster", "OAuthApplication", "Registry", "SecurityGroup"} {
		assert.True(t, entities[kind], kind)
	}
	for _, part := range []string{"\u200b", "可疑", "ü", "🔥", `"UnSpecified"`, `"16777232"`, `"vmMetadata":{`, `"aadDeviceId":null`, `"domainName":""`, `"osBuild":null`} {
		assert.Contains(t, text.String(), part)
	}
	assert.Greater(t, len(digits), 6, "fractional digits")
}

func TestNamesAndAddressesAreInvented(t *testing.T) {
	host := regexp.MustCompile(`@([a-z0-9.-]+)|https?://([a-z0-9.-]+)`)
	number := regexp.MustCompile(`\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b`)
	allowed := regexp.MustCompile(`(^|\.)(contoso|fabrikam)\.example$|^security\.microsoft\.com$|^api\.security\.microsoft\.com$|^odata\.context$`)
	for _, i := range everything(t, func(c *Config) { c.Incidents = 100 }) {
		body := renderXDR(i, "t")
		for _, address := range number.FindAllString(string(body), -1) {
			require.Regexp(t, `^(192\.0\.2|198\.51\.100|203\.0\.113)\.`, address)
		}
		for _, m := range host.FindAllStringSubmatch(string(body), -1) {
			if name := m[1] + m[2]; !number.MatchString(name) {
				require.Regexp(t, allowed, name)
			}
		}
	}
}

// keys lists the keys of an object in their order.
func keys(t *testing.T, object jsontext.Value) []string {
	t.Helper()
	var names []string
	d := jsontext.NewDecoder(bytes.NewReader(object))
	_, err := d.ReadToken()
	require.NoError(t, err)
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		require.NoError(t, err)
		names = append(names, name.String())
		require.NoError(t, d.SkipValue())
	}
	return names
}

func TestEveryIncidentHasTheSameKeysInTheSameOrder(t *testing.T) {
	type alert struct{ Devices []json.RawMessage }
	type incident struct{ Alerts []json.RawMessage }
	parts := func(body []byte) (alerts, devices []json.RawMessage) {
		var i incident
		require.NoError(t, json.Unmarshal(body, &i))
		for _, text := range i.Alerts {
			var a alert
			require.NoError(t, json.Unmarshal(text, &a))
			devices = append(devices, a.Devices...)
		}
		return i.Alerts, devices
	}
	sample := []byte(golden(t, "incident.json"))
	sampleAlerts, sampleDevices := parts(sample)

	for _, i := range everything(t, func(c *Config) { c.Incidents, c.MergedShare = 60, 0.2 }) {
		body := renderXDR(i, "t")
		require.Equal(t, keys(t, sample), keys(t, body))
		alerts, devices := parts(body)
		for _, a := range alerts {
			require.Equal(t, keys(t, jsontext.Value(sampleAlerts[0])), keys(t, jsontext.Value(a)))
		}
		for _, d := range devices {
			require.Equal(t, keys(t, jsontext.Value(sampleDevices[0])), keys(t, jsontext.Value(d)))
		}
	}
}
