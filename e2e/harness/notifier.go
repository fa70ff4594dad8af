// SPDX-License-Identifier: Apache-2.0

package harness

import "github.com/seed2514a141/defenderincidentsreceiver/internal/harness/notify"

// Notifier wakes goroutines that wait for a condition.
type Notifier = notify.Notifier

// NewNotifier returns a notifier that has not notified anybody yet.
func NewNotifier() *Notifier { return notify.New() }
