// SPDX-License-Identifier: Apache-2.0

// Package defendersim plays the incident API of Microsoft Defender XDR and, for
// the same incidents at the same time, that of Microsoft Graph: an
// [http.Handler] with a token endpoint, the calls that get one incident and
// list them, a population of incidents that changes as time goes by, the APIs'
// limits, and faults on demand.
//
// A [Sim] starts no goroutine and opens no socket. It reads time.Now when it is
// asked something and then applies whatever has happened since, so it runs in
// a testing/synctest bubble as well as behind a listener, best by means of
// [Serve], so that faults can strike connections. With the same seed,
// configuration and start it always tells the same story.
//
// Where to look: incident.go says what an incident is, population.go and its
// neighbours invent them, evolve.go, burst.go, closings.go and change.go let them
// change, dialect.go says what the two APIs differ in and render.go and its
// neighbours write as they do, listing.go keeps the incidents in List's order,
// page.go writes its pages, texts.go keeps what it wrote of rows and alerts.go
// writes pages of alerts, limits.go, latency.go, fault.go and token.go stand in the
// way, journal.go and history.go remember, serve.go and connection.go bring it to a
// socket.
package defendersim
