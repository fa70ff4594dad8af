// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestATextIsCutBetweenCharacters(t *testing.T) {
	for _, text := range []string{"", "plain", "äöü", "a😀b", "\u200b\u200b"} {
		for size := range len(text) + 2 {
			cut := Cut(text, size)
			require.LessOrEqual(t, len(cut), size)
			require.Equal(t, text[:len(cut)], cut)
			require.True(t, utf8.ValidString(cut))
			require.Less(t, min(size, len(text))-len(cut), utf8.UTFMax, "no more is cut than need be")
		}
	}
}
