// SPDX-License-Identifier: Apache-2.0

package confcheck // import "github.com/seed2514a141/defenderincidentsreceiver/internal/confcheck"

import (
	"errors"
	"fmt"
	"strings"

	"go.opentelemetry.io/collector/confmap"
)

// Problem is something that is wrong with what is written.
type Problem struct {
	Path string // of the setting, wherever it is written, or of a key that is not a setting
	Err  error  // begins with the path as it is written, and says what to write instead
}

// Problems are all problems of a section.
type Problems []Problem

// Err returns the problems as one error; nil: there are none.
func (p Problems) Err() error {
	errs := make([]error, len(p))
	for i, problem := range p {
		errs[i] = problem.Err
	}
	return Join(errs...)
}

// Concern reports whether a problem is about the setting at path, about one below
// it, or about a section that it is in. Then a rule must not complain that the
// setting is missing.
func (p Problems) Concern(path string) bool {
	for _, problem := range p {
		if problem.Path == path || isBelow(problem.Path, path) || isBelow(path, problem.Path) {
			return true
		}
	}
	return false
}

func isBelow(path, section string) bool { return strings.HasPrefix(path, section+confmap.KeyDelimiter) }

// Join returns a single error as it is, and several as one error with a line for
// each. It takes joined errors apart.
func Join(errs ...error) error {
	all := flatten(errs)
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	return lines(all)
}

func flatten(errs []error) (all []error) {
	for _, err := range errs {
		var joined interface{ Unwrap() []error }
		switch {
		case errors.As(err, &joined):
			all = append(all, flatten(joined.Unwrap())...)
		case err != nil:
			all = append(all, err)
		}
	}
	return all
}

// lines is several errors, a line each. The collector puts the path of the
// receiver's section in front.
type lines []error

func (l lines) Error() string {
	text := fmt.Sprintf("%d problems:", len(l))
	for _, err := range l {
		text += "\n  " + err.Error()
	}
	return text
}

func (l lines) Unwrap() []error { return l }
