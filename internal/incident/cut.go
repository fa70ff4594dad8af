// SPDX-License-Identifier: Apache-2.0

package incident

import "unicode/utf8"

// Cut shortens a text to at most size bytes. It does not split characters.
func Cut(text string, size int) string {
	if len(text) <= size {
		return text
	}
	for size > 0 && !utf8.RuneStart(text[size]) {
		size--
	}
	return text[:size]
}
