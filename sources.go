package defenderincidentsreceiver // import "github.com/seed2514a141/defenderincidentsreceiver"

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"

	"go.opentelemetry.io/collector/confmap"
	"go.uber.org/zap"
)

const (
	// lookInterval is the time from one look at the ids file to the next.
	lookInterval = 4 * time.Second
	// mostChanging is after how many looks a file is read that never stands still.
	mostChanging = 2
)

// sources are where configured ids come from: the list, and the file as it was
// last read. It belongs to the loop's goroutine.
type sources struct {
	logger *zap.Logger
	listed []int64
	path   string // of the ids file; empty: there is none

	ids      []int64     // of the file
	bad      []badLine   // of the file
	info     os.FileInfo // of the file at the last look
	changing int         // how many looks ago the file began to change; 0: it was read since
	failing  bool        // at the last look it could not be read: said once
	looked   time.Time
}

// newSources reads the ids file, if there is one. That it cannot be read is an
// error here; later the last list stays.
func newSources(cfg *Config, logger *zap.Logger) (*sources, error) {
	s := &sources{logger: logger, listed: cfg.IncidentIDs, path: cfg.IncidentIDsFile}
	if s.path == "" {
		return s, nil
	}
	info, err := os.Stat(s.path)
	if err != nil {
		return nil, fmt.Errorf("incident_ids_file: %w", err)
	}
	if _, err := s.read(); err != nil {
		return nil, err
	}
	s.info = info
	return s, nil
}

// all returns the ids that are listed, then those of the file, each once.
func (s *sources) all() []int64 {
	ids := make([]int64, 0, len(s.listed)+len(s.ids))
	seen := make(map[int64]struct{}, cap(ids))
	for _, list := range [][]int64{s.listed, s.ids} {
		for _, id := range list {
			if _, again := seen[id]; !again {
				seen[id] = struct{}{}
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// nextLook is when to look at the file again; not ok: there is none.
func (s *sources) nextLook() (at time.Time, ok bool) {
	return s.looked.Add(lookInterval), s.path != ""
}

// look reads the file again when it is time to and the file has changed, and
// says whether the ids have. While it cannot be read the last list stays.
func (s *sources) look(now time.Time) (changed bool) {
	if s.path == "" || now.Sub(s.looked) < lookInterval {
		return false
	}
	s.looked = now
	changed, err := s.readChanged()
	switch {
	case err != nil && !s.failing:
		s.logger.Warn("ids file cannot be read: the last list stays", zap.Error(err))
	case err == nil && s.failing:
		s.logger.Info("ids file can be read again", zap.String("file", s.path))
	}
	s.failing = err != nil
	return changed
}

// readChanged reads the file once it has changed and stands still from one look
// to the next: who has just begun to write it has perhaps not ended.
func (s *sources) readChanged() (changed bool, err error) {
	info, err := os.Stat(s.path)
	if err != nil {
		return false, fmt.Errorf("incident_ids_file: %w", err)
	}
	still := os.SameFile(info, s.info) && info.ModTime().Equal(s.info.ModTime()) && info.Size() == s.info.Size()
	s.info = info
	if still && s.changing == 0 && !s.failing {
		return false, nil
	}
	if s.changing++; !still && s.changing <= mostChanging {
		return false, nil
	}
	return s.read()
}

// read takes over what stands in the file, and says once what is wrong there.
func (s *sources) read() (changed bool, err error) {
	ids, bad, err := readIDs(s.path)
	if err != nil {
		return false, err
	}
	if !slices.Equal(bad, s.bad) {
		s.logBad(bad)
	}
	changed = !slices.Equal(ids, s.ids)
	s.ids, s.bad, s.changing = ids, bad, 0
	return changed, nil
}

func (s *sources) logBad(bad []badLine) {
	for _, line := range bad {
		s.logger.Warn("line of the ids file skipped: not an incident id",
			zap.String("file", s.path), zap.Int("line", line.number), zap.String("text", line.excerpt))
	}
}

// checkWrittenIDs refuses what decoding incident_ids would truncate, and says
// how to write a list that is not one.
func checkWrittenIDs(conf *confmap.Conf) error {
	switch written := conf.Get("incident_ids").(type) {
	case nil:
		return nil
	case []any:
		var errs []error
		for i, id := range written {
			errs = append(errs, checkWholeNumber(fmt.Sprintf("incident_ids[%d]", i), id))
		}
		return errors.Join(errs...)
	default:
		return fmt.Errorf("incident_ids: not a list; write %s", asList(fmt.Sprint(written)))
	}
}

// asList shows how to write ids as a list: those in text, if it is a short
// series of ids, or else an example.
func asList(text string) string {
	ids := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ';' || unicode.IsSpace(r) })
	example := len(ids) == 0 || len(ids) > 10
	for _, id := range ids {
		if _, ok := parseID(id); !ok {
			example = true
		}
	}
	if example {
		ids = []string{"437", "552"}
	}
	return "[" + strings.Join(ids, ", ") + "]"
}
