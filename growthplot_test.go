//go:build unix

package defenderincidentsreceiver

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Sizes of a plot, in pixels.
const (
	plotWidth, plotHeight = 250.0, 190.0
	plotLeft, plotTop     = 62.0, 48.0 // beside and above it
	plotBelow             = 76.0
)

// plot is a measure over the incidents that are followed.
type plot struct {
	title string
	of    func(cost) float64
}

func growthPlots() []plot {
	return []plot{
		{"Requests per hour", func(c cost) float64 { return c.gets + c.lists }},
		{"Processor time per hour, s", func(c cost) float64 { return c.cpu.Seconds() }},
		{"Live memory, MB", func(c cost) float64 { return c.live / 1e6 }},
	}
}

// series are costs in the order of their incidents.
type series struct {
	name, color string
	costs       []cost
}

// drawGrowth draws all plots side by side, as SVG.
func drawGrowth(all []series) string {
	var text strings.Builder
	width, height := float64(len(growthPlots()))*(plotLeft+plotWidth)+24, plotTop+plotHeight+plotBelow
	fmt.Fprintf(&text, `<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%.0f" viewBox="0 0 %.0f %.0f" font-family="Inter, Helvetica, Arial, sans-serif" font-size="11" fill="#24292e">
<rect width="%.0f" height="%.0f" fill="#ffffff"/>
`, width, height, width, height, width, height)
	for n, p := range growthPlots() {
		p.draw(&text, plotLeft+float64(n)*(plotLeft+plotWidth), all)
	}
	at := plotLeft
	for _, s := range all {
		fmt.Fprintf(&text, `<path d="M%.1f %.1fh18" stroke="%s" stroke-width="3"/><text x="%.1f" y="%.1f">%s</text>`+"\n",
			at, height-14, s.color, at+24, height-10, s.name)
		at += 130
	}
	return text.String() + "</svg>\n"
}

// draw draws one plot over axes whose steps are tenfold.
func (p plot) draw(to *strings.Builder, left float64, all []series) {
	var incidents, values []float64
	for _, s := range all {
		for _, c := range s.costs {
			incidents, values = append(incidents, float64(c.incidents)), append(values, p.of(c))
		}
	}
	across, up := tenfold(incidents), tenfold(values)
	x := func(v float64) float64 { return left + plotWidth*across.share(v) }
	y := func(v float64) float64 { return plotTop + plotHeight*(1-up.share(v)) }
	fmt.Fprintf(to, `<text x="%.1f" y="%.1f" font-size="13" font-weight="600">%s</text>`+"\n", left, plotTop-18, p.title)
	for _, v := range up.marks() {
		fmt.Fprintf(to, `<path d="M%.1f %.1fh%.1f" stroke="#e1e4e8"/><text x="%.1f" y="%.1f" text-anchor="end" fill="#57606a">%s</text>`+"\n",
			left, y(v), plotWidth, left-6, y(v)+4, marked(v))
	}
	for _, v := range across.marks() {
		fmt.Fprintf(to, `<path d="M%.1f %.1fv%.1f" stroke="#e1e4e8"/><text x="%.1f" y="%.1f" text-anchor="middle" fill="#57606a">%s</text>`+"\n",
			x(v), plotTop, plotHeight, x(v), plotTop+plotHeight+16, marked(v))
	}
	fmt.Fprintf(to, `<text x="%.1f" y="%.1f" text-anchor="middle">incidents followed</text>`+"\n", left+plotWidth/2, plotTop+plotHeight+34)
	for _, s := range all {
		path := "M"
		for _, c := range s.costs {
			at, value := x(float64(c.incidents)), y(p.of(c))
			path += fmt.Sprintf("%.1f %.1fL", at, value)
			fmt.Fprintf(to, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`+"\n", at, value, s.color)
		}
		fmt.Fprintf(to, `<path d="%s" fill="none" stroke="%s" stroke-width="1.8"/>`+"\n", strings.TrimSuffix(path, "L"), s.color)
	}
}

// axis runs from one power of ten to another.
type axis struct{ from, to int }

// tenfold is the axis that values fit on.
func tenfold(values []float64) axis {
	a := axis{math.MaxInt, math.MinInt}
	for _, v := range values {
		a.from, a.to = min(a.from, int(math.Floor(math.Log10(v)))), max(a.to, int(math.Ceil(math.Log10(v))))
	}
	return axis{a.from, max(a.to, a.from+1)}
}

// share is where on the axis a value is, from 0 to 1.
func (a axis) share(v float64) float64 {
	return (math.Log10(v) - float64(a.from)) / float64(a.to-a.from)
}

func (a axis) marks() (all []float64) {
	for n := a.from; n <= a.to; n++ {
		all = append(all, math.Pow10(n))
	}
	return all
}

// marked is a number as people write it.
func marked(v float64) string {
	text := strconv.FormatFloat(v, 'f', -1, 64)
	for n := len(text) - 3; n > 0 && v >= 1000; n -= 3 {
		text = text[:n] + "," + text[n:]
	}
	return text
}

func TestAnAxisHoldsItsValuesBetweenPowersOfTen(t *testing.T) {
	a := tenfold([]float64{0.02, 3, 900})
	require.Equal(t, axis{-2, 3}, a)
	require.Equal(t, []float64{0.01, 0.1, 1, 10, 100, 1000}, a.marks())
	require.InDelta(t, 0.4, a.share(1), 1e-9)
	require.Equal(t, axis{1, 2}, tenfold([]float64{10}), "one value alone has an axis too")
	require.Equal(t, "100,000", marked(1e5))
	require.Equal(t, "1,000", marked(1000))
	require.Equal(t, "100", marked(100))
	require.Equal(t, "0.01", marked(0.01))
}
