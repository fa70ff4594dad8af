// SPDX-License-Identifier: Apache-2.0

// Package defendersim simulates the incident APIs of Microsoft Defender XDR and
// Microsoft Graph. It is an [http.Handler] that serves a token endpoint and, under
// both APIs, the same incidents: by ID and in lists. The incidents are invented and
// change over time. It enforces the APIs' rate limits and injects faults on demand.
//
// A [Sim] starts no goroutine and opens no socket. At each request it reads
// time.Now and applies what has happened since the one before, so it can run in a
// testing/synctest bubble. Behind a listener, use [Serve], which also injects
// faults of connections. The same seed, configuration and start give the same
// incidents and changes.
//
// Where to look:
//
//   - incident.go: what an incident is; population.go and its neighbours invent them
//   - evolve.go, burst.go, closings.go, change.go: changes
//   - dialect.go: what differs between the APIs; render.go and its neighbours write
//     incidents and alerts as each API does
//   - listing.go: the order of lists; page.go: their pages; texts.go: rows that were
//     written before; alerts.go: pages of an incident's alerts
//   - limits.go, latency.go, fault.go, token.go: everything that delays or refuses a
//     request
//   - journal.go, history.go: what was requested and served, and all past states
//   - serve.go, connection.go: sockets
package defendersim
