// SPDX-License-Identifier: Apache-2.0

// Package poll is the engine of the receiver: it requests what is due, compares what the API shows with what was delivered, hands the
// difference to the pipeline, and writes the checkpoint.
//
// One goroutine, that of Engine.Run, owns all state and waits in one place. Each part of the state has one owner: package roster knows
// the incidents and when each is due, package health whether the API works and what is logged about it, package quota the rate limits,
// package feed the progress of the change feed, and package sink the pending delivery. This package puts them together:
//
//	engine.go    what an engine is made of; settings.go has what it is opened with
//	run.go       the loop
//	next.go      what to request now, or when to look again
//	handle.go    one path for every response
//	separate.go  incidents too large for one response: their alerts are requested separately
//	observe.go   one path for everything that shows an incident
//	commit.go    what follows after a delivery was accepted
//	lists.go     the lists, and what their pages are requested for
//	feed.go      pages of the change feed
//	sweep.go     sweeps: polls by pages of the list
//	pass.go      the first pass through Graph's lists; first_pass.go has what first passes by sweep and through lists share
//	look_back.go the first call of Graph's feed of incidents, and the pass that lists the alerts of those it discovered
//	rows.go      rows of incidents; alerts.go handles rows of alerts
//	accounts.go  which requests count together, and which wait
//	restore.go   from a checkpoint to a running engine
//	ids.go       the configured IDs, when they change, and incidents that are forgotten
//	store.go     the checkpoint
//	announce.go  what the log says about planned polls
//	warnings.go  what the log says about warnings of the API
//	telemetry.go counters and histograms; gauges.go has the gauges
package poll // import "github.com/seed2514a141/defenderincidentsreceiver/internal/poll"
