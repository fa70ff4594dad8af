package checkpoint

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/go-json-experiment/json"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/incident"
)

// A state's entry has three lines: a checksum of the others, what the summary is
// made of, and the digests. So a start learns what it keeps in memory, and that
// the rest is sound, without decoding all digests of all incidents. A receiver
// of version 1 wrote the state as one object.

func encodeState(s incident.State) ([]byte, error) {
	digests, err := json.Marshal(incident.State{Fields: s.Fields, Alerts: s.Alerts, Intent: s.Intent})
	if err != nil {
		return nil, err
	}
	s.Fields, s.Alerts, s.Intent = nil, nil, nil
	rest, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	lines := bytes.Join([][]byte{rest, digests}, []byte("\n"))
	return fmt.Appendf(nil, "%s\n%s", checksum(lines), lines), nil
}

// decodeState reads the whole state.
func decodeState(key string, entry []byte) (incident.State, error) {
	rest, digests, err := linesOf(key, entry)
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

// decodeSummary reads what is kept in memory of a state.
func decodeSummary(key string, entry []byte) (incident.Summary, error) {
	rest, _, err := linesOf(key, entry)
	if err != nil {
		return incident.Summary{}, err
	}
	var state incident.State
	if err := decode(key, rest, &state); err != nil {
		return incident.Summary{}, err
	}
	return state.Summary(), nil
}

// linesOf takes an entry apart and looks whether it is sound.
func linesOf(key string, entry []byte) (rest, digests []byte, err error) {
	if bytes.HasPrefix(entry, []byte("{")) { // of version 1
		return entry, []byte("{}"), nil
	}
	stored, lines, _ := bytes.Cut(entry, []byte("\n"))
	if string(stored) != checksum(lines) {
		return nil, nil, unsound(key, errors.New("its checksum is another one"))
	}
	rest, digests, _ = bytes.Cut(lines, []byte("\n"))
	return rest, digests, nil
}

func checksum(lines []byte) string { return fmt.Sprintf("%08x", crc32.ChecksumIEEE(lines)) }
