// SPDX-License-Identifier: Apache-2.0

// Package harness is what the end-to-end tests share: it starts the built
// collector with a simulated API on one side and an OTLP backend on the other,
// and waits for what happens in between.
//
// harness.go is the simulated API with its time limit, program.go starts and
// stops programs, settings.go writes the collector's configuration, example.go
// runs a file of examples/ with a test's own addresses, sink.go is the backend,
// server.go lets handlers listen, notifier.go wakes up whoever waits.
package harness
