// SPDX-License-Identifier: Apache-2.0

package defenderincidentsreceiver // import "github.com/seed2514a141/defenderincidentsreceiver"

import (
	"errors"
	"fmt"
	"strings"

	"go.opentelemetry.io/collector/confmap"
)

// unusable returns what Unmarshal could not use; nil: it could use everything.
func (c *Config) unusable() error {
	errs := make([]error, len(c.misread))
	for i, p := range c.misread {
		errs[i] = p.err
	}
	return asOne(errs...)
}

// misreads says that Unmarshal could not use a setting, one below it, or the section
// that it is in. Then a rule must not complain that it is missing.
func (c *Config) misreads(key string) bool {
	for _, p := range c.misread {
		if p.key == key || within(p.key, key) || within(key, p.key) {
			return true
		}
	}
	return false
}

func within(key, section string) bool { return strings.HasPrefix(key, section+confmap.KeyDelimiter) }

// problemErrors is several errors, a line each. The collector puts the path of the
// receiver's section in front.
type problemErrors []error

func (p problemErrors) Error() string {
	text := fmt.Sprintf("%d problems:", len(p))
	for _, err := range p {
		text += "\n  " + err.Error()
	}
	return text
}

func (p problemErrors) Unwrap() []error { return p }

// asOne returns a single error as it is, and several as problemErrors. It takes
// joined ones apart.
func asOne(errs ...error) error {
	all := apart(errs)
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	return problemErrors(all)
}

func apart(errs []error) (all []error) {
	for _, err := range errs {
		var joined interface{ Unwrap() []error }
		switch {
		case errors.As(err, &joined):
			all = append(all, apart(joined.Unwrap())...)
		case err != nil:
			all = append(all, err)
		}
	}
	return all
}
