// SPDX-License-Identifier: Apache-2.0

package sink

import (
	"reflect"

	"go.opentelemetry.io/collector/consumer/consumererror"
)

// permanent reports whether retrying cannot help. Several pipelines return a join of their errors, which may be wrapped. A join is permanent
// only if every error in it is.
func permanent(err error) bool {
	for err != nil {
		if consumererror.IsPermanent(only{err}) {
			return true
		}
		switch wrapper := err.(type) { //nolint:errorlint // each level is checked by itself
		case interface{ Unwrap() []error }:
			return allPermanent(wrapper.Unwrap())
		case interface{ Unwrap() error }:
			err = wrapper.Unwrap()
		default:
			return false
		}
	}
	return false
}

func allPermanent(errs []error) bool {
	some := false
	for _, err := range errs {
		if err == nil {
			continue
		}
		if some = permanent(err); !some {
			return false
		}
	}
	return some
}

// only is an error without the errors that it wraps. It is needed because consumererror does not export the type of permanent errors.
type only struct{ error }

// As implements the method that errors.As uses.
func (o only) As(target any) bool {
	return reflect.TypeOf(o.error).AssignableTo(reflect.TypeOf(target).Elem())
}

// Unwrap hides what the error wraps.
func (o only) Unwrap() error { return nil }
