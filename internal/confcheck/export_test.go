// SPDX-License-Identifier: Apache-2.0

package confcheck

import "reflect"

// Setting is a setting as tests see it.
type Setting struct {
	Path   string
	Kind   reflect.Kind
	Secret bool // its value must not be shown
}

// Settings returns all settings of a section, those of sections in it included.
func Settings(defaults any) []Setting {
	return below(newSetting("", reflect.ValueOf(defaults).Elem(), nil))
}

func below(s *setting) (all []Setting) {
	for _, b := range s.below {
		shown := b.name() == "compression" // by its own message
		all = append(all, Setting{b.path, b.initial.Kind(), b.mayHoldSecret() && !shown})
		all = append(all, below(b)...)
	}
	return all
}
