// SPDX-License-Identifier: Apache-2.0

package content

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNumbersAreKeptExactly(t *testing.T) {
	for text, want := range map[string]Number{
		"0":                    {Form: Int},
		"-0":                   {Form: Int},
		"9007199254740993":     {Form: Int, Int: 1<<53 + 1},
		"-9223372036854775808": {Form: Int, Int: math.MinInt64},
		"9223372036854775808":  {Form: Text},
		"1e400":                {Form: Text},
		"1.0":                  {Form: Double, Double: 1},
		"2E-3":                 {Form: Double, Double: 0.002},
		"":                     {Form: Text},
	} {
		require.Equal(t, want, ParseNumber(text), text)
		require.Equal(t, want, ParseNumber([]byte(text)), text)
	}
}
