// SPDX-License-Identifier: Apache-2.0

package idlist // import "github.com/seed2514a141/defenderincidentsreceiver/internal/idlist"

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

const (
	maxFileSize = 16 << 20 // bytes
	maxLine     = 4 << 10  // bytes
	maxBadLines = 100      // reported per file
	maxExcerpt  = 24       // bytes; enough for any ID, too little for a whole secret
)

// errUTF16 is for a text in UTF-16, as Windows PowerShell's > writes it.
var errUTF16 = errors.New("UTF-16 instead of UTF-8")

// badLine is a line of the file that is not an ID.
type badLine struct {
	number  int    // the first line is 1
	excerpt string // the beginning of the line, quoted
}

// readFile reads the file at path, in the format that parseIDs describes. Only a
// regular file of at most maxFileSize is accepted: opening a pipe could block.
func readFile(path string) (ids []int64, bad []badLine, err error) {
	file, err := openRegular(path)
	if err != nil {
		return nil, nil, fmt.Errorf("incident_ids_file: %w", err)
	}
	defer func() { _ = file.Close() }()

	limited := &io.LimitedReader{R: file, N: maxFileSize + 1}
	ids, bad, err = parseIDs(limited)
	switch {
	case errors.Is(err, errUTF16):
		err = fmt.Errorf("%s is UTF-16; save it as UTF-8", path)
	case err == nil && limited.N == 0:
		err = fmt.Errorf("%s is larger than %d MiB; name a file with IDs", path, maxFileSize>>20)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("incident_ids_file: %w", err)
	}
	return ids, bad, nil
}

// CheckFile returns what is wrong with the file at path, in words that include
// the setting. A file that cannot be opened is no error here, since a
// configuration may be checked on another machine, and neither is an empty
// path.
func CheckFile(path string) error {
	if path == "" {
		return nil
	}
	_, _, err := readFile(path)
	if unreadable := (*fs.PathError)(nil); errors.As(err, &unreadable) {
		return nil
	}
	return err
}

func openRegular(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, fmt.Errorf("%s is a directory; name a file", path)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file; name one", path)
	}
	return os.Open(path) //nolint:gosec // the path is the operator's own setting
}

// parseIDs reads one ID per line. A # starts a comment, also after an ID. Blank
// lines, surrounding spaces, a byte order mark and CRLF are allowed. Any other
// line is skipped and returned as bad, up to the first maxBadLines. IDs are in
// the order of the file, without duplicates. The error is the reader's, or
// errUTF16.
func parseIDs(r io.Reader) (ids []int64, bad []badLine, err error) {
	lines := bufio.NewReaderSize(r, maxLine)
	if beginning, _ := lines.Peek(2); isUTF16(string(beginning)) { // an error comes again with the first line
		return nil, nil, errUTF16
	}
	seen := make(map[int64]bool)
	for number := 1; ; number++ {
		line, whole, err := nextLine(lines)
		if errors.Is(err, io.EOF) {
			return ids, bad, nil
		}
		if err != nil {
			return nil, nil, err
		}
		if number == 1 {
			line = strings.TrimPrefix(line, "\ufeff")
		}

		text, _, comment := strings.Cut(line, "#")
		text = strings.TrimSpace(text)
		whole = whole || comment // otherwise more digits may follow
		if whole && text == "" {
			continue
		}
		id, ok := ParseID(text)
		ok = ok && whole
		switch {
		case ok && !seen[id]:
			seen[id] = true
			ids = append(ids, id)
		case !ok && len(bad) < maxBadLines:
			bad = append(bad, badLine{number: number, excerpt: Excerpt(text)})
		}
	}
}

// isUTF16 recognizes the byte order mark, or without one a first character with
// a zero byte, as every digit has.
func isUTF16(beginning string) bool {
	return strings.HasPrefix(beginning, "\xff\xfe") || strings.HasPrefix(beginning, "\xfe\xff") ||
		len(beginning) > 1 && (beginning[0] == 0) != (beginning[1] == 0)
}

// nextLine returns the next line without its line ending. If the line is longer
// than the reader's buffer, nextLine returns its beginning, with whole false,
// and skips the rest.
func nextLine(r *bufio.Reader) (line string, whole bool, err error) {
	begin, more, err := r.ReadLine()
	line, whole = string(begin), !more
	for more && err == nil {
		_, more, err = r.ReadLine()
	}
	if !whole && errors.Is(err, io.EOF) { // the rest was empty; the next call returns EOF again
		err = nil
	}
	return line, whole, err
}

// ParseID parses an incident ID: a positive 64-bit integer written in decimal
// digits only, without sign or fraction. It may begin with zeros.
func ParseID(text string) (id int64, ok bool) {
	n, err := strconv.ParseUint(text, 10, 63)
	return int64(n), err == nil && n > 0
}

// Excerpt quotes text for a log or error message. It truncates a long text,
// which may be a secret in the wrong place.
func Excerpt(text string) string {
	if len(text) <= maxExcerpt {
		return strconv.Quote(text)
	}
	return strconv.Quote(text[:maxExcerpt]) + "..."
}
