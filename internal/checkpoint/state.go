// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"bytes"

	"github.com/go-json-experiment/json"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

// The entry of a state has four lines: a checksum of the others; the state without its
// digests and description; the digest of its row, which is part of the summary; and the
// digests and the description. A start checks the whole entry but does not decode the last
// line. Without a digest of a row, the third line is absent, and rows are compared with the
// state. Version 1 wrote the state as one JSON object.

func encodeState(s incident.State) ([]byte, error) {
	digests, err := json.Marshal(incident.State{Description: s.Description, Fields: s.Fields, Alerts: s.Alerts, Intent: s.Intent})
	if err != nil {
		return nil, err
	}
	row := s.Row()
	s.Description, s.Fields, s.Alerts, s.Intent = incident.Description{}, nil, nil, nil
	rest, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	lines := [][]byte{rest, digests}
	if row != (incident.Digest{}) {
		text, err := row.MarshalText()
		if err != nil {
			return nil, err
		}
		lines = [][]byte{rest, text, digests}
	}
	return withChecksum(bytes.Join(lines, []byte("\n"))), nil
}

// decodeState reads the whole state.
func decodeState(key string, entry []byte) (incident.State, error) {
	rest, _, digests, err := linesOf(key, entry)
	if err != nil {
		return incident.State{}, err
	}
	var state incident.State
	for _, line := range [][]byte{rest, digests} {
		if err := decode(key, line, &state); err != nil {
			return incident.State{}, err
		}
	}
	return state, nil
}

// decodeSummary reads the part of a state that a start keeps in memory.
func decodeSummary(key string, entry []byte) (incident.Summary, error) {
	rest, row, _, err := linesOf(key, entry)
	if err != nil {
		return incident.Summary{}, err
	}
	var state incident.State
	if err := decode(key, rest, &state); err != nil {
		return incident.Summary{}, err
	}
	summary := state.Summary()
	summary.Row = incident.Digest{} // it was made from a state without digests
	if err := summary.Row.UnmarshalText(row); len(row) > 0 && err != nil {
		return incident.Summary{}, unreadable(key, err)
	}
	return summary, nil
}

// linesOf checks an entry and splits it.
func linesOf(key string, entry []byte) (rest, row, digests []byte, err error) {
	if unchecked(entry) { // of version 1
		return entry, nil, []byte("{}"), nil
	}
	lines, err := checked(key, entry)
	if err != nil {
		return nil, nil, nil, err
	}
	rest, digests, _ = bytes.Cut(lines, []byte("\n"))
	if !bytes.HasPrefix(digests, []byte("{")) {
		row, digests, _ = bytes.Cut(digests, []byte("\n"))
	}
	return rest, row, digests, nil
}
