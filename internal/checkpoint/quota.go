// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/go-json-experiment/json"
	"go.opentelemetry.io/collector/extension/xextension/storage"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/quota"
)

// call is a kind of request. Each API has its own quota for each kind, so the accounts of
// one API are kept while the other is in use.
type call string

const (
	gets  call = "incidents" // single incidents
	lists call = "list"      // pages of lists
)

// An account is written before each request, so its entry must be small. It has a line
// with the checksum, a line with a JSON header, and then the time when each request
// ended, as a uvarint in tenths of a second: the first since 1970, each other one since
// the one before. That is at most 1,785 bytes for 1,500 requests in an hour. Times are
// rounded up, so a request may count for longer, but never shorter. Versions 1 and 2
// wrote one JSON object.

const (
	tenth = 100 * time.Millisecond
	// maxTenths is the year 10000. A later time is damage.
	maxTenths = 10 * 253_402_300_800
)

// quotaHeader has everything of an account except the ends of requests. Times are
// milliseconds since 1970; 0 means none.
type quotaHeader struct {
	Since       int64      `json:"since,omitzero"`
	InFlight    uint16     `json:"in_flight,omitzero"`
	PausedUntil int64      `json:"paused_until,omitzero"`
	Learned     [][3]int64 `json:"learned,omitzero"` // window in seconds, requests, since
}

// legacyQuota is an account as versions 1 and 2 wrote it.
type legacyQuota struct {
	Since       int64   `json:"since"`
	Ended       []int64 `json:"ended"`
	InFlight    uint16  `json:"in_flight"`
	PausedUntil int64   `json:"paused_until"`
	Learned     []struct {
		WindowSeconds int64 `json:"window_s"`
		Requests      int64 `json:"requests"`
		Since         int64 `json:"since"`
	} `json:"learned"`
}

func (s *Store) quotaKey(c call) string { return quotaPrefix + s.api + "/" + string(c) }

// setQuota returns the operation that stores an account.
func (s *Store) setQuota(c call, q quota.Stored) (*storage.Operation, error) {
	value, err := encodeQuota(q)
	if err != nil {
		return nil, fmt.Errorf("write the checkpoint's entry %s: %w", s.quotaKey(c), err)
	}
	return storage.SetOperation(s.quotaKey(c), value), nil
}

func encodeQuota(q quota.Stored) ([]byte, error) {
	header := quotaHeader{
		Since: millis(q.Since), PausedUntil: millis(q.PausedUntil), InFlight: uint16(min(max(q.InFlight, 0), math.MaxUint16)),
	}
	for _, l := range q.Learned {
		header.Learned = append(header.Learned, [3]int64{int64(l.Limit.Window / time.Second), int64(l.Limit.Requests), millis(l.Since)})
	}
	content, err := json.Marshal(header)
	if err != nil {
		return nil, err
	}
	content = append(content, '\n')
	var last int64
	for _, end := range q.Ended {
		tenths := min(max(last, end.Add(tenth-1).UnixMilli()/tenth.Milliseconds()), maxTenths)
		content = binary.AppendUvarint(content, uint64(tenths-last))
		last = tenths
	}
	return withChecksum(content), nil
}

// decodeQuota reads an account. Whatever the entry contains, it uses memory in proportion
// to the entry's size.
func decodeQuota(key string, entry []byte) (quota.Stored, error) {
	if unchecked(entry) {
		return decodeLegacyQuota(key, entry)
	}
	content, err := checked(key, entry)
	if err != nil {
		return quota.Stored{}, err
	}
	line, rest, found := bytes.Cut(content, []byte("\n"))
	if !found {
		return quota.Stored{}, unreadable(key, errors.New("no header line"))
	}
	var header quotaHeader
	if err := decode(key, line, &header); err != nil {
		return quota.Stored{}, err
	}
	ended, err := decodeEnds(rest)
	if err != nil {
		return quota.Stored{}, unreadable(key, err)
	}
	q := quota.Stored{
		Since: moment(header.Since), PausedUntil: moment(header.PausedUntil), InFlight: int(header.InFlight), Ended: ended,
	}
	for _, l := range header.Learned {
		q.Learned = append(q.Learned, learned(l[0], l[1], l[2]))
	}
	return q, nil
}

func decodeEnds(content []byte) (ended []time.Time, err error) {
	var last uint64
	for len(content) > 0 {
		delta, n := binary.Uvarint(content)
		if n <= 0 || delta > maxTenths-last {
			return nil, fmt.Errorf("end %d is not a time", len(ended))
		}
		content = content[n:]
		last += delta
		ended = append(ended, time.UnixMilli(int64(last)*tenth.Milliseconds()).UTC())
	}
	return ended, nil
}

func decodeLegacyQuota(key string, entry []byte) (quota.Stored, error) {
	var legacy legacyQuota
	if err := decode(key, entry, &legacy); err != nil {
		return quota.Stored{}, err
	}
	q := quota.Stored{Since: moment(legacy.Since), PausedUntil: moment(legacy.PausedUntil), InFlight: int(legacy.InFlight)}
	for _, end := range legacy.Ended {
		q.Ended = append(q.Ended, time.UnixMilli(end).UTC())
	}
	for _, l := range legacy.Learned {
		q.Learned = append(q.Learned, learned(l.WindowSeconds, l.Requests, l.Since))
	}
	return q, nil
}

// learned returns a stored limit. If its window is too long for a Duration,
// it limits nothing.
func learned(seconds, requests, since int64) quota.Learned {
	window := time.Duration(seconds) * time.Second
	if seconds != int64(window/time.Second) {
		window = 0
	}
	limit := quota.Limit{Window: window, Requests: int(min(max(requests, 0), math.MaxInt32))}
	return quota.Learned{Limit: limit, Since: moment(since)}
}

// millis returns a time as it is stored, rounded up; 0 if it is zero.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Add(time.Millisecond - 1).UnixMilli()
}

// moment returns a stored time; zero if there is none.
func moment(millis int64) time.Time {
	if millis == 0 {
		return time.Time{}
	}
	return time.UnixMilli(millis).UTC()
}
