package defenderincidentsreceiver // import "github.com/seed2514a141/defenderincidentsreceiver"

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

const (
	maxIDsFileSize = 16 << 20 // bytes
	maxIDsFileLine = 4 << 10  // bytes
	maxBadLines    = 100      // how many of a file are reported
	maxExcerpt     = 24       // bytes; room for any id, too little for a whole secret
)

// badLine is a line of the ids file that holds no id.
type badLine struct {
	number  int    // from 1
	excerpt string // how the line begins, quoted
}

// readIDs reads an ids file; see parseIDs for its form. A relative path starts
// at the collector's working directory. The file has to be a regular one, since
// opening a pipe could wait for ever.
func readIDs(path string) (ids []int64, bad []badLine, err error) {
	file, err := openRegular(path)
	if err != nil {
		return nil, nil, fmt.Errorf("incident_ids_file: %w", err)
	}
	defer func() { _ = file.Close() }()

	limited := &io.LimitedReader{R: file, N: maxIDsFileSize + 1}
	ids, bad, err = parseIDs(limited)
	if err == nil && limited.N == 0 {
		err = fmt.Errorf("%s is larger than %d MiB", path, maxIDsFileSize>>20)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("incident_ids_file: %w", err)
	}
	return ids, bad, nil
}

func openRegular(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	return os.Open(path) //nolint:gosec // the path is the operator's own setting
}

// parseIDs reads an id a line. # starts a comment, also after an id; blank
// lines, surrounding spaces, a byte order mark and CRLF are fine. A line that
// holds anything else is reported and skipped; of those at most the first
// maxBadLines are returned. Ids come in the file's order, each once. The error
// is the reader's.
func parseIDs(r io.Reader) (ids []int64, bad []badLine, err error) {
	lines := bufio.NewReaderSize(r, maxIDsFileLine)
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
		whole = whole || comment // or else the digits may go on
		if whole && text == "" {
			continue
		}
		id, ok := parseID(text)
		ok = ok && whole
		switch {
		case ok && !seen[id]:
			seen[id] = true
			ids = append(ids, id)
		case !ok && len(bad) < maxBadLines:
			bad = append(bad, badLine{number: number, excerpt: excerptOf(text)})
		}
	}
}

// nextLine returns the next line without its end. Of one longer than the
// reader's buffer it returns the beginning, not whole, and skips the rest.
func nextLine(r *bufio.Reader) (line string, whole bool, err error) {
	begin, more, err := r.ReadLine()
	line, whole = string(begin), !more
	for more && err == nil {
		_, more, err = r.ReadLine()
	}
	if !whole && errors.Is(err, io.EOF) { // the rest was empty; the next call says so again
		err = nil
	}
	return line, whole, err
}

// parseID accepts digits only: no sign, no fraction.
func parseID(text string) (id int64, ok bool) {
	n, err := strconv.ParseUint(text, 10, 63)
	return int64(n), err == nil && n > 0
}

// excerptOf quotes text, or its beginning if it is long.
func excerptOf(text string) string {
	if len(text) <= maxExcerpt {
		return strconv.Quote(text)
	}
	return strconv.Quote(text[:maxExcerpt]) + "..."
}
