// SPDX-License-Identifier: Apache-2.0

package quota

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTheRingKeepsTheLastEndsAndNoMore(t *testing.T) {
	const size = 7
	ring := ends{size: size}
	var all []time.Time
	for i := range 5 * size {
		all = append(all, time.Unix(int64(i/2), 0))
		ring.add(all[i])
		require.Len(t, ring.times, min(i+1, size))
		for n := range size {
			end, found := ring.fromLast(n)
			require.Equal(t, n <= i, found)
			if found {
				require.Equal(t, all[i-n], end)
			}
		}
	}
}
