// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"flag"
	"testing"

	"go.uber.org/goleak"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

var (
	seed     = flag.Uint64("seed", defendersim.DefaultConfig().Seed, "decides the populations and their faults (make populations)")
	simulate = flag.Bool("simulate", false, "also run the measurements in simulated time (make simulate)")
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}
