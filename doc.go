// Package defenderincidentsreceiver is an OpenTelemetry Collector receiver that
// follows Microsoft Defender XDR incidents by id and emits what changed of them
// as log records.
//
// One goroutine, the poller's, owns all state and repeats one step: choose the
// next incident, have it fetched as soon as it is due and the quota allows,
// compare the answer with what was last delivered, deliver what differs, write
// the checkpoint, give the incident a new due time. What decides is in pure
// packages under internal; only four places touch the world: internal/defender
// the API, internal/checkpoint the storage, internal/idlist the IDs file, and
// receiver.go the clock and the goroutines.
//
// It promises: no window of a minute or an hour ever holds more requests than
// allowed; a change that a poll has seen is delivered at least once; what has
// not changed is not emitted again; one failing incident holds up no other.
package defenderincidentsreceiver // import "github.com/seed2514a141/defenderincidentsreceiver"

//go:generate make generate
