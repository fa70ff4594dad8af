// Package e2e runs the built collector against the simulator and checks every
// record that arrives: real processes, sockets and time, where the tests of the
// root package have simulated ones. `make e2e` runs it; without the path of a
// collector there is nothing to test.
//
// Where to look: process_test.go runs the collector, config_test.go writes what
// it is given, gate_test.go and sink_test.go are what it talks to,
// connections_test.go counts who does, stage_test.go joins them, bell_test.go
// waits. The rest are the tests. That of soak_linux_test.go is run by `make soak`
// alone, and needs vitals_linux_test.go.
package e2e
