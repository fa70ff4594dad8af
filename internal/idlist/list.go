// SPDX-License-Identifier: Apache-2.0

// Package idlist holds the configured incident IDs: those in the configuration,
// and those in a file that is read again when it changes.
package idlist // import "github.com/seed2514a141/defenderincidentsreceiver/internal/idlist"

import (
	"fmt"
	"os"
	"slices"
	"time"

	"go.uber.org/zap"
)

const (
	// checkInterval is the time between two checks of the file.
	checkInterval = 4 * time.Second
	// maxUnsettled is how many checks in a row may find the file changed before
	// it is read anyway.
	maxUnsettled = 2
)

// List is the union of the listed IDs and those in the file. It is not safe for
// concurrent use.
type List struct {
	logger *zap.Logger
	listed []int64
	path   string // of the file; empty: there is no file

	fromFile []int64   // the IDs in the file; the last known ones while it has none
	empty    bool      // the file had no ID when it was last read
	bad      []badLine // in the file when it was last read

	checked   time.Time
	info      os.FileInfo // of the file at the last check
	unsettled int         // checks since the file began to change; 0: it was read since
	failing   bool        // the last check could not read the file; logged once
}

// Open returns the listed IDs together with those in the file at path. An empty
// path means that there is no file. A relative path starts at the working
// directory. It is an error if the file cannot be read now; later the List
// keeps the last known IDs. A file without IDs is not an error.
func Open(listed []int64, path string, logger *zap.Logger) (*List, error) {
	l := &List{logger: logger, listed: listed, path: path}
	if path == "" {
		return l, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("incident_ids_file: %w", err)
	}
	if _, err := l.read(); err != nil {
		return nil, err
	}
	l.info = info
	return l, nil
}

// IDs returns the listed IDs, then those in the file, each once.
func (l *List) IDs() []int64 {
	ids := make([]int64, 0, len(l.listed)+len(l.fromFile))
	seen := make(map[int64]struct{}, cap(ids))
	for _, list := range [][]int64{l.listed, l.fromFile} {
		for _, id := range list {
			if _, again := seen[id]; !again {
				seen[id] = struct{}{}
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// File returns the path of the file; empty: there is no file.
func (l *List) File() string { return l.path }

// FileEmpty reports whether there is a file and it had no ID when it was last
// read. If it had IDs before, IDs still returns those.
func (l *List) FileEmpty() bool { return l.empty }

// NextCheck returns when to call Check again. ok is false if there is no file.
func (l *List) NextCheck() (at time.Time, ok bool) {
	return l.checked.Add(checkInterval), l.path != ""
}

// Check reads the file again if a check is due and the file has changed, and
// reports whether IDs now returns something else. While the file cannot be read
// or has no ID, the last known IDs are kept.
func (l *List) Check(now time.Time) (changed bool) {
	if l.path == "" || now.Sub(l.checked) < checkInterval {
		return false
	}
	l.checked = now
	changed, err := l.readIfChanged()
	switch {
	case err != nil && !l.failing:
		l.logger.Warn("cannot read incident_ids_file; keeping the last known IDs",
			zap.String("file", l.path), zap.Error(err))
	case err == nil && l.failing:
		l.logger.Info("incident_ids_file can be read again", zap.String("file", l.path))
	}
	l.failing = err != nil
	return changed
}

// readIfChanged reads a changed file once two consecutive checks have found it
// the same: before that, somebody may still be writing it.
func (l *List) readIfChanged() (changed bool, err error) {
	info, err := os.Stat(l.path)
	if err != nil {
		return false, fmt.Errorf("incident_ids_file: %w", err)
	}
	same := os.SameFile(info, l.info) && info.ModTime().Equal(l.info.ModTime()) && info.Size() == l.info.Size()
	l.info = info
	if same && l.unsettled == 0 {
		return false, nil
	}
	if l.unsettled++; !same && l.unsettled <= maxUnsettled {
		return false, nil
	}
	return l.read()
}

// read adopts the content of the file and logs its bad lines if they have
// changed.
func (l *List) read() (changed bool, err error) {
	ids, bad, err := readFile(l.path)
	if err != nil {
		return false, err
	}
	if !slices.Equal(bad, l.bad) {
		l.logBad(bad)
	}
	l.bad, l.unsettled = bad, 0
	return l.adopt(ids), nil
}

// adopt replaces the IDs of the file, unless that would remove all of them: then
// the job that writes the file has probably failed, and forgetting every
// incident could not be undone.
func (l *List) adopt(ids []int64) (changed bool) {
	wasEmpty, hadIDs := l.empty, len(l.fromFile) > 0
	l.empty = len(ids) == 0
	switch {
	case hadIDs && l.empty && !wasEmpty:
		l.logger.Warn("incident_ids_file has no IDs any more; keeping the last known IDs",
			zap.String("file", l.path), zap.Int("incidents", len(l.fromFile)))
	case hadIDs && !l.empty && wasEmpty:
		l.logger.Info("incident_ids_file has IDs again",
			zap.String("file", l.path), zap.Int("incidents", len(ids)))
	}
	if l.empty || slices.Equal(ids, l.fromFile) {
		return false
	}
	l.fromFile = ids
	return true
}

func (l *List) logBad(bad []badLine) {
	for _, line := range bad {
		l.logger.Warn("skipping a line of incident_ids_file that is not an incident ID",
			zap.String("file", l.path), zap.Int("line", line.number), zap.String("text", line.excerpt))
	}
}
