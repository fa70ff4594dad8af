// SPDX-License-Identifier: Apache-2.0

package defenderincidentsreceiver

import (
	"time"

	"go.opentelemetry.io/collector/receiver"
)

// SetClock gives a receiver another clock, before its start.
func SetClock(r receiver.Logs, clock func() time.Time) { r.(*incidentsReceiver).clock = clock }
