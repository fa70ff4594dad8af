// Package dashboards tests what is in dashboards/: that it names what the
// receiver measures, and, against a real Prometheus that scrapes built
// collectors, that each query of the dashboard has an answer and each alert
// fires when it should. It also draws the picture of the dashboard.
//
// Where to look: dashboard_test.go reads the dashboard, rules_test.go the
// alerts, names_test.go holds both against metadata.yaml, links_test.go against
// the docs. `make test` runs those. The rest is Linux's, and run by
// `make e2e-dashboards`: collector_linux_test.go and prometheus_linux_test.go
// run the programs, situations_linux_test.go what may happen to a collector,
// promtool_linux_test.go the rules in invented time. `make dashboard-picture`
// runs picture_linux_test.go, which draws with svg_linux_test.go.
package dashboards
