// SPDX-License-Identifier: Apache-2.0

package dashboards

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	dashboardFile = "../../dashboards/defender-incidents.json"
	rowPanel      = "row"
	columns       = 24 // of Grafana's grid
)

// dashboard is the part of a Grafana dashboard that the tests read.
type dashboard struct {
	Title      string
	UID        string
	Panels     []panel
	Templating struct{ List []variable }
}

type panel struct {
	ID          int
	Type, Title string
	Description string
	Datasource  datasource
	GridPos     struct{ X, Y, W, H int }
	Targets     []target
	FieldConfig struct {
		Defaults struct {
			Unit string
		}
	}
}

type target struct {
	RefID, Expr, LegendFormat string
	Datasource                datasource
}

type datasource struct{ Type, UID string }

type variable struct {
	Name, Type string
	AllValue   string
	Definition string
	Datasource datasource
}

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	text, err := os.ReadFile(dashboardFile)
	require.NoError(t, err)
	var d dashboard
	require.NoError(t, json.Unmarshal(text, &d))
	require.NotEmpty(t, d.Panels)
	return d
}

// queries returns the queries of all panels.
func (d dashboard) queries() []query {
	var all []query
	for _, p := range d.Panels {
		for _, each := range p.Targets {
			all = append(all, query{of: p.Title + " " + each.RefID, expr: each.Expr, legend: each.LegendFormat})
		}
	}
	return all
}

func TestEveryPanelIsComplete(t *testing.T) {
	d := readDashboard(t)
	prometheus := datasource{Type: "prometheus", UID: "${DS_PROMETHEUS}"}
	ids, taken := map[int]string{}, map[[2]int]string{}
	for _, p := range d.Panels {
		require.Positive(t, p.ID, p.Title)
		require.Empty(t, ids[p.ID], "the id of %s", p.Title)
		ids[p.ID] = p.Title
		require.LessOrEqual(t, p.GridPos.X+p.GridPos.W, columns, p.Title)
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				require.Empty(t, taken[[2]int{x, y}], "the place of %s", p.Title)
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.Type == rowPanel {
			continue
		}
		require.NotEmpty(t, p.Description, p.Title)
		require.NotEmpty(t, p.FieldConfig.Defaults.Unit, p.Title)
		require.Equal(t, prometheus, p.Datasource, p.Title)
		require.NotEmpty(t, p.Targets, p.Title)
		refs := map[string]bool{}
		for _, each := range p.Targets {
			require.False(t, refs[each.RefID], "%s has two %s", p.Title, each.RefID)
			refs[each.RefID] = true
			require.Equal(t, prometheus, each.Datasource, p.Title)
		}
	}
}

func TestEveryVariableOfAQueryIsOneOfTheDashboard(t *testing.T) {
	d := readDashboard(t)
	known := []string{"$__rate_interval", ""}
	for _, v := range d.Templating.List {
		known = append(known, "$"+v.Name, "")
	}
	for _, q := range d.queries() {
		require.NotContains(t, strings.NewReplacer(known...).Replace(q.expr), "$", q.of)
		for _, name := range []string{"$job", "$instance"} {
			require.Contains(t, q.expr, name, q.of)
		}
		require.Equal(t, strings.Count(q.expr, "otelcol_receiver_"), strings.Count(q.expr, `receiver=~"$receiver"`), q.of)
	}
}
