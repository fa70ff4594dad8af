// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
)

// Each entry but the version begins with a line with the checksum of the rest. Before
// version 4, only states and accounts had one. Entries without a checksum are JSON, and
// begin with a bracket. An entry stays in its old form until it is next written.

// withChecksum returns an entry with a line with the checksum, then the content.
func withChecksum(content []byte) []byte {
	return fmt.Appendf(nil, "%s\n%s", checksum(content), content)
}

// checked returns the content of an entry that withChecksum made.
func checked(key string, entry []byte) (content []byte, err error) {
	stored, content, _ := bytes.Cut(entry, []byte("\n"))
	if string(stored) != checksum(content) {
		return nil, unreadable(key, errors.New("checksum mismatch"))
	}
	return content, nil
}

func checksum(content []byte) string { return fmt.Sprintf("%08x", crc32.ChecksumIEEE(content)) }

// unchecked reports whether an earlier version wrote the entry without a checksum.
func unchecked(entry []byte) bool {
	return bytes.HasPrefix(entry, []byte("{")) || bytes.HasPrefix(entry, []byte("["))
}
