// Package backends runs the built collector with the files of examples/ and
// checks what each backend gets: Loki the real one, Splunk and Elastic stand-ins
// that hold what is sent against what the real ones take, and files and a second
// collector. What has to arrive is what the simulator served. `make
// e2e-backends` runs it; without the path of a collector only the tests that need
// none run, without that of a Loki those of Loki do not.
//
// Where to look: example_test.go lays a test's own addresses over an example,
// program_test.go runs collectors and Loki, stage_test.go is the population and
// what happens to it, record_test.go what a backend holds and how that is held
// against what was served. Then a file for each backend. queries_test.go reads the
// queries out of docs/backends/.
package backends
