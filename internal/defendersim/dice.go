// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"
)

// The random streams derived from a seed. They are separate, so drawing from
// one of them never changes another.
const (
	streamPopulation uint64 = iota + 1
	streamIncident
	streamEvolution
	streamFaults
	streamTokens
	streamErrors
	streamListing
	streamArrivals
	streamClosings
	streamLatency
	streamLoose
)

// dice is one random stream.
type dice struct {
	*rand.Rand
}

// newDice starts the stream of the given kind and number.
func newDice(seed, stream, number uint64) dice {
	return dice{rand.New(rand.NewPCG(seed^(stream<<56), number*0x9e3779b97f4a7c15+stream))}
}

func pick[T any](d dice, from []T) T { return from[d.IntN(len(from))] }

// chance is true with the given probability.
func (d dice) chance(probability float64) bool { return d.Float64() < probability }

// digest returns hexadecimal digits.
func (d dice) digest(digits int) string {
	var b strings.Builder
	for b.Len() < digits {
		fmt.Fprintf(&b, "%016x", d.Uint64())
	}
	return b.String()[:digits]
}

func (d dice) guid() string {
	h := d.digest(31)
	return h[:8] + "-" + h[8:12] + "-4" + h[12:15] + "-8" + h[15:18] + "-" + h[18:30]
}

// skewed draws from a log-normal distribution.
func (d dice) skewed(median, spread float64) float64 {
	return median * math.Exp(spread*d.NormFloat64())
}

// coarse truncates a time to a random number of fractional digits, 0 to 7.
func (d dice) coarse(t time.Time) time.Time {
	unit := 100 * time.Nanosecond
	for range d.IntN(8) {
		unit *= 10
	}
	return t.Truncate(unit)
}

// between draws a moment from the half-open range.
func (d dice) between(from, to time.Time) time.Time {
	if !to.After(from) {
		return from
	}
	return from.Add(time.Duration(d.Int64N(int64(to.Sub(from)))))
}
