// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
)

// The kernel kills a child when the thread that started it ends, which is not
// only when the process ends.
func TestEndOfOneProgramKillsNoOther(t *testing.T) {
	t.Parallel()
	const rounds, commands = 50, 8
	n := NewNotifier()
	var all sync.WaitGroup
	for range commands {
		all.Go(func() {
			for range rounds {
				assert.NoError(t, Command(t.Context(), "/bin/sleep", "0.01").Run())
			}
		})
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		all.Wait()
	}()
	for {
		select {
		case <-ended:
			return
		case <-Launch(t.Context(), t, n, nil, "/bin/true").Done():
		}
	}
}
