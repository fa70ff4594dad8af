// SPDX-License-Identifier: Apache-2.0

// Package backends runs the built collector with the files of examples/ and
// compares what each backend receives with what the simulator served. VictoriaLogs
// and Loki are real ones. The tests simulate Splunk and Elastic, and reject what
// the real ones reject. The others are files and a second collector. `make e2e`
// runs all tests but those of Loki, which takes long to build; `make e2e-backends`
// runs those, too. Without the path of a program the tests that need it do not run.
//
// setup_test.go is the population and what happens to it, record_test.go what a
// backend stores and how it is compared with what was served. queries_test.go
// reads the queries in docs/backends/, story_test.go has records written by hand
// and what each query must find among them: real servers are asked, spl_test.go
// and esql_test.go interpret the languages of those that are not there. Then there
// is a file for each backend.
package backends
