// Package backends runs the built collector with the files of examples/ and
// compares what each backend receives with what the simulator served. Loki is a
// real one. The tests simulate Splunk and Elastic, and reject what the real ones
// reject. The others are files and a second collector. `make e2e-backends` runs
// all tests. Without the path of a collector only the tests that need none run,
// and without the path of a Loki the tests of Loki do not run.
//
// setup_test.go is the population and what happens to it, record_test.go what a
// backend stores and how it is compared with what was served, queries_test.go
// reads the queries in docs/backends/. Then there is a file for each backend.
package backends
