// SPDX-License-Identifier: Apache-2.0

// Package dashboards tests the files in dashboards/: that they use the metrics of
// the receiver, and, with a real Prometheus that scrapes built collectors, that
// each query of the dashboard returns data and each alert fires when it should.
//
// dashboard_test.go reads the dashboard and rules_test.go the alerts; names_test.go
// compares both with metadata.yaml, links_test.go with the documents. These tests
// need no collector. `make e2e-dashboards` also runs the others, on Linux:
// setup_linux_test.go and prometheus_linux_test.go run the programs,
// situations_linux_test.go is what can happen to a collector, and
// promtool_linux_test.go tests the alerts in simulated time.
package dashboards
