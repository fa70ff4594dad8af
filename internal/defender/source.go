// SPDX-License-Identifier: Apache-2.0

package defender

import (
	"errors"
	"io"
)

// source reads a body piece by piece, so that a response takes little more
// memory than what is kept of it.
type source struct {
	from  io.Reader
	size  int64  // bytes read so far
	limit int64  // size limit of the body in bytes
	keep  bool   // whether to keep what is read
	kept  []byte // what was kept
	err   error  // why the body could not be read to its end; nil: no error so far
}

// reset begins with another body, of which nothing is kept.
func (s *source) reset(from io.Reader, limit int64) { *s = source{from: from, limit: limit} }

func (s *source) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	if room := s.limit - s.size; room < int64(len(p)) {
		p = p[:room+1] // one byte more shows whether the body is too long
	}
	n, err := s.from.Read(p)
	s.size += int64(n)
	if s.keep {
		s.kept = append(s.kept, p[:n]...)
	}
	switch {
	case s.size > s.limit:
		s.err = errTooLarge
		return n, s.err
	case err != nil && !errors.Is(err, io.EOF):
		s.err = err
	}
	return n, err
}

// forget drops what was kept, and keeps nothing more.
func (s *source) forget() { s.keep, s.kept = false, nil }

// rest reads what is left of the body.
func (s *source) rest() {
	var buffer [4 << 10]byte
	for {
		if _, err := s.Read(buffer[:]); err != nil {
			return
		}
	}
}
