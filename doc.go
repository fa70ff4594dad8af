// SPDX-License-Identifier: Apache-2.0

// Package defenderincidentsreceiver is an OpenTelemetry Collector receiver that
// polls Microsoft Defender XDR incidents by ID and emits what changed in them
// as log records.
//
// This package contains the configuration, its validation, and Start and
// Shutdown. internal/confcheck checks the configuration as it is written.
// internal/poll does the work: one goroutine owns all state, requests what is
// due as soon as the quota allows, compares each response with what was last
// delivered, delivers the differences, and advances the stored state once the
// pipeline has accepted them. The packages that decide are pure. Four places
// touch the world: internal/defender the API, internal/checkpoint the storage,
// internal/idlist the IDs file, and internal/poll the clock and the goroutines.
// docs/architecture.md describes who owns what.
//
// The receiver guarantees: no window of a minute or an hour ever holds more
// requests than allowed; a change that a poll has seen is delivered at least
// once; what has not changed is not emitted again; an incident that fails does
// not delay the others.
package defenderincidentsreceiver // import "github.com/seed2514a141/defenderincidentsreceiver"

//go:generate make generate
