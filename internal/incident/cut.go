// SPDX-License-Identifier: Apache-2.0

package incident

import "unicode/utf8"

// Cut returns the text without what is beyond so many bytes. It cuts no character in
// two.
func Cut(text string, size int) string {
	if len(text) <= size {
		return text
	}
	for size > 0 && !utf8.RuneStart(text[size]) {
		size--
	}
	return text[:size]
}
