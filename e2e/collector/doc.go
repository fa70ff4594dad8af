// SPDX-License-Identifier: Apache-2.0

// Package collector runs the built collector against the simulator and checks
// every record that arrives. It uses real processes, sockets and time, where the
// tests of the receiver use simulated ones. `make e2e` runs it; without the path
// of a collector, no test runs.
//
// setup_test.go connects collector, simulator and sink, and gate_test.go is a
// middleware between the first two. The other files are the tests. `make soak` runs
// soak_linux_test.go, and `make measure` the tests whose names begin with
// TestMeasure.
package collector
