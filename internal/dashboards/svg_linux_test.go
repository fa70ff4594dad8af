package dashboards

import (
	"fmt"
	"html"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Sizes, in pixels.
const (
	columnWidth = 50 // of Grafana's grid
	rowHeight   = 34
	gap         = 8  // between panels
	margin      = 12 // inside one
	title       = 34 // height of its title
	letter      = 6  // about the width of one of a legend's
	legendLine  = 15
)

// drawing is a picture of a dashboard in SVG.
type drawing struct {
	from, to time.Time
	height   int
	text     strings.Builder
}

// curve is what a panel shows of one line.
type curve struct {
	name   string
	points []point
}

func (c curve) last() float64 { return c.points[len(c.points)-1].value }

// box is a place in the picture.
type box struct{ x, y, w, h float64 }

func (d *drawing) add(format string, values ...any) { fmt.Fprintf(&d.text, format+"\n", values...) }

func (d *drawing) svg() string {
	width := columns*columnWidth + gap
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="Inter, Helvetica, Arial, sans-serif" font-size="11" fill="#24292e">
<rect width="%d" height="%d" fill="#f4f5f5"/>
%s</svg>
`, width, d.height+gap, width, d.height+gap, width, d.height+gap, d.text.String())
}

// panel draws one where the dashboard has it.
func (d *drawing) panel(p panel, curves []curve) {
	curves = slices.DeleteFunc(curves, func(c curve) bool { return len(c.points) == 0 })
	g := p.GridPos
	b := box{float64(g.X*columnWidth + gap), float64(g.Y*rowHeight + gap), float64(g.W*columnWidth - gap), float64(g.H*rowHeight - gap)}
	d.height = max(d.height, (g.Y+g.H)*rowHeight)
	if p.Type == rowPanel {
		d.add(`<text x="%.0f" y="%.0f" font-size="14" font-weight="600">%s</text>`, b.x+4, b.y+18, html.EscapeString(p.Title))
		return
	}
	d.add(`<rect x="%.0f" y="%.0f" width="%.0f" height="%.0f" rx="2" fill="#ffffff" stroke="#e0e2e6"/>`, b.x, b.y, b.w, b.h)
	d.add(`<text x="%.0f" y="%.0f" font-size="12" font-weight="600">%s</text>`, b.x+margin, b.y+18, html.EscapeString(p.Title))
	inner := box{b.x + margin, b.y + title, b.w - 2*margin, b.h - title - margin}
	if p.Type == "stat" {
		d.stat(p, inner, curves)
		return
	}
	d.series(p, inner, curves)
}

// stat writes the last value large, over what it was before.
func (d *drawing) stat(p panel, b box, curves []curve) {
	if len(curves) == 0 {
		return
	}
	c := curves[0]
	defaults := p.FieldConfig.Defaults
	color := ""
	for _, step := range defaults.Thresholds.Steps {
		if step.Value == nil || c.last() >= *step.Value {
			color = paint(step.Color)
		}
	}
	s := scale{box: b, from: d.from, to: d.to, top: max(highestOf(curves), 1e-9)}
	d.area(s, c.points, nil, color)
	d.add(`<text x="%.0f" y="%.0f" font-size="30" font-weight="600" text-anchor="middle" fill="%s">%s</text>`,
		b.x+b.w/2, b.y+b.h/2+10, color, written(c.last(), defaults.Unit))
}

// series draws curves over axes, with a legend below.
func (d *drawing) series(p panel, b box, curves []curve) {
	defaults := p.FieldConfig.Defaults
	entries := make([]string, len(curves))
	for n, c := range curves {
		entries[n] = c.name + "  " + written(c.last(), defaults.Unit)
	}
	b.h -= d.legend(b, entries) + 20 // and the axis of time
	const left = 52
	b.x, b.w = b.x+left, b.w-left

	stacked := defaults.Custom.Stacking.Mode == "normal"
	if stacked {
		curves = stack(curves)
	}
	marks := ticks(highestOf(curves), defaults.Unit)
	s := scale{box: b, from: d.from, to: d.to, top: marks[len(marks)-1]}
	for _, v := range marks {
		d.add(`<path d="M%.1f %.1fh%.1f" stroke="#e8eaed"/>`, b.x, s.y(v), b.w)
		d.add(`<text x="%.1f" y="%.1f" text-anchor="end" fill="#6e7580">%s</text>`, b.x-6, s.y(v)+4, written(v, defaults.Unit))
	}
	step := max(time.Minute, (d.to.Sub(d.from) / 5).Round(time.Minute))
	for at := d.from.Truncate(time.Minute).Add(time.Minute); at.Before(d.to); at = at.Add(step) {
		d.add(`<text x="%.1f" y="%.1f" text-anchor="middle" fill="#6e7580">%s</text>`, s.x(float64(at.Unix())), b.y+b.h+14, at.UTC().Format("15:04"))
	}
	for n := len(curves) - 1; n >= 0; n-- {
		var base []point // of what it stands on
		if stacked && n > 0 {
			base = curves[n-1].points
		}
		if stacked {
			d.area(s, curves[n].points, base, hue(n))
		}
		d.add(`<path d="%s" fill="none" stroke="%s" stroke-width="1.4" stroke-linejoin="round"/>`, s.path(curves[n].points), hue(n))
	}
}

// area fills what lies between a curve and its base; nil: the axis.
func (d *drawing) area(s scale, points, base []point, color string) {
	down := slices.Clone(base)
	if down == nil {
		down = []point{{points[0].at, 0}, {points[len(points)-1].at, 0}}
	}
	slices.Reverse(down)
	d.add(`<path d="%sL%sZ" fill="%s" fill-opacity="0.25"/>`, s.path(points), s.path(down)[1:], color)
}

// legend names the curves at the foot of a panel, and returns its height.
func (d *drawing) legend(b box, entries []string) (height float64) {
	type place struct{ x, row float64 }
	places, at := make([]place, len(entries)), place{}
	for n, text := range entries {
		width := float64(letter*len(text) + 34)
		if at.x > 0 && at.x+width > b.w {
			at = place{row: at.row + 1}
		}
		places[n] = at
		at.x += width
	}
	height = legendLine*(at.row+1) + 4
	for n, text := range entries {
		x, y := b.x+places[n].x, b.y+b.h-height+legendLine*(places[n].row+1)
		d.add(`<path d="M%.1f %.1fh14" stroke="%s" stroke-width="3"/>`, x, y-4, hue(n))
		d.add(`<text x="%.1f" y="%.1f">%s</text>`, x+19, y, html.EscapeString(text))
	}
	return height
}

// scale says where in the picture a moment and a value are.
type scale struct {
	box
	from, to time.Time
	top      float64 // value
}

func (s scale) x(at float64) float64 {
	from := float64(s.from.UnixMilli()) / 1000
	return s.box.x + s.w*(at-from)/s.to.Sub(s.from).Seconds()
}

func (s scale) y(value float64) float64 { return s.box.y + s.h*(1-value/s.top) }

func (s scale) path(points []point) string {
	var text strings.Builder
	for n, p := range points {
		text.WriteString(string("ML"[min(n, 1)]))
		fmt.Fprintf(&text, "%.1f %.1f", s.x(p.at), s.y(p.value))
	}
	return text.String()
}

// stack puts each curve on the ones before. A curve that is not there at a moment
// is 0.
func stack(curves []curve) []curve {
	values := map[float64]float64{}
	for _, c := range curves {
		for _, p := range c.points {
			values[p.at] = 0
		}
	}
	moments := make([]float64, 0, len(values))
	for at := range values {
		moments = append(moments, at)
	}
	slices.Sort(moments)
	stacked := make([]curve, len(curves))
	for n, c := range curves {
		for _, p := range c.points {
			values[p.at] += p.value
		}
		stacked[n].name = c.name
		for _, at := range moments {
			stacked[n].points = append(stacked[n].points, point{at, values[at]})
		}
	}
	return stacked
}

func highestOf(curves []curve) float64 {
	highest := 0.0
	for _, c := range curves {
		for _, p := range c.points {
			highest = max(highest, p.value)
		}
	}
	return highest
}

// ticks are values that are round in their unit, from 0 to the first that is
// not below the highest.
func ticks(highest float64, unit string) []float64 {
	if highest <= 0 {
		return []float64{0, 1}
	}
	whole := 1.0 // in seconds, where those are long
	switch {
	case unit == "s" && highest >= 7200:
		whole = 3600
	case unit == "s" && highest >= 100:
		whole = 60
	}
	highest /= whole
	step := math.Pow(10, math.Floor(math.Log10(highest/4)))
	for _, factor := range []float64{1, 2, 2.5, 5, 10} {
		if 5*factor*step >= highest {
			step *= factor
			break
		}
	}
	marks := []float64{0}
	for n := 1; marks[n-1] < highest; n++ {
		marks = append(marks, float64(n)*step)
	}
	for n := range marks {
		marks[n] *= whole
	}
	return marks
}

// written is a value as Grafana writes it in a unit.
func written(value float64, unit string) string {
	short := func(v float64) string {
		if math.Abs(v) >= 100 {
			return strconv.FormatFloat(v, 'f', 0, 64)
		}
		text := strconv.FormatFloat(v, 'f', max(0, 2-int(math.Log10(max(math.Abs(v), 1)))), 64)
		if strings.Contains(text, ".") {
			text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
		}
		return text
	}
	switch unit {
	case "s":
		switch {
		case value >= 7200:
			return short(value/3600) + " h"
		case value >= 120:
			return short(value/60) + " min"
		case value > 0 && value < 1:
			return short(value*1000) + " ms"
		}
		return short(value) + " s"
	case "decbytes":
		switch {
		case value >= 1e6:
			return short(value/1e6) + " MB"
		case value >= 1e3:
			return short(value/1e3) + " kB"
		}
		return short(value) + " B"
	case "reqpm", "cpm":
		return short(value) + " /min"
	}
	return short(value)
}

func TestPictureWritesValuesAsPeopleDo(t *testing.T) {
	for _, each := range []struct {
		value      float64
		unit, text string
	}{
		{0, "s", "0 s"},
		{0.25, "s", "250 ms"},
		{57.03, "s", "57 s"},
		{90.5, "s", "90.5 s"},
		{210, "s", "3.5 min"},
		{9000, "s", "2.5 h"},
		{1500, "decbytes", "1.5 kB"},
		{2.345, "cpm", "2.35 /min"},
		{1425, "short", "1425"},
	} {
		require.Equal(t, each.text, written(each.value, each.unit))
	}
	require.Equal(t, []float64{0, 20, 40, 60, 80}, ticks(77, "s"))
	require.Equal(t, []float64{0, 60, 120, 180, 240}, ticks(230, "s"))
	require.Equal(t, []float64{0, 50, 100, 150, 200, 250}, ticks(230, "short"))
	require.Equal(t, []float64{0, 1}, ticks(0, "s"))
}

// hue is the color of the n-th curve, of Grafana's palette.
func hue(n int) string {
	palette := []string{"#56a64b", "#f2cc0c", "#3274d9", "#ff780a", "#e02f44", "#a352cc", "#37872d", "#e0b400", "#1f60c4", "#fa6400"}
	return palette[n%len(palette)]
}

func paint(name string) string {
	return map[string]string{"green": "#37872d", "orange": "#fa6400", "red": "#c4162a"}[name]
}
