// SPDX-License-Identifier: Apache-2.0

package sink

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumererror"
)

func TestRecordsAreRejectedOnlyWhenEveryPipelineRejectsThem(t *testing.T) {
	retryable := errors.New("queue full")
	rejected := consumererror.NewPermanent(errors.New("bad data"))
	for name, test := range map[string]struct {
		err  error
		want bool
	}{
		"nothing":                                {nil, false},
		"retryable":                              {retryable, false},
		"permanent":                              {rejected, true},
		"wrapped permanent":                      {fmt.Errorf("pipeline: %w", rejected), true},
		"permanent around a retryable":           {consumererror.NewPermanent(retryable), true},
		"join of both":                           {errors.Join(rejected, retryable), false},
		"join of both, the other way round":      {errors.Join(retryable, rejected), false},
		"wrapped join of both":                   {fmt.Errorf("pipeline: %w", errors.Join(rejected, retryable)), false},
		"join within a join":                     {errors.Join(rejected, errors.Join(rejected, retryable)), false},
		"wrapped join within a wrapped join":     {fmt.Errorf("a: %w", errors.Join(rejected, fmt.Errorf("b: %w", errors.Join(retryable)))), false},
		"join of permanent ones":                 {errors.Join(rejected, fmt.Errorf("pipeline: %w", rejected)), true},
		"wrapped join of permanent ones":         {fmt.Errorf("pipeline: %w", errors.Join(rejected, rejected)), true},
		"permanent around a join of both":        {consumererror.NewPermanent(errors.Join(rejected, retryable)), true},
		"two errors in one format":               {fmt.Errorf("%w and %w", rejected, retryable), false},
		"wrapped permanent around a retryable":   {fmt.Errorf("a: %w", consumererror.NewPermanent(retryable)), true},
		"retryable of another pipeline in front": {errors.Join(fmt.Errorf("a: %w", retryable), rejected), false},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, test.want, permanent(test.err)) })
	}
}
