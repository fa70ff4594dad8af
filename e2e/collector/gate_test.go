// SPDX-License-Identifier: Apache-2.0

//go:build unix

package collector

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/seed2514a141/defenderincidentsreceiver/e2e/harness"
)

// gate is a middleware in front of the simulator. While it is closed, requests
// wait in it until the client gives up, and the simulator does not see them.
type gate struct {
	notifier *harness.Notifier
	api      http.Handler

	mu     sync.Mutex // guards all that follows
	closed bool
	held   int                 // requests that wait now
	passed int                 // requests that did not have to wait
	tokens map[string]struct{} // of all requests
}

func (g *gate) close() { g.set(true) }
func (g *gate) open()  { g.set(false) }

func (g *gate) set(closed bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = closed
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !g.pass(r) {
		g.notifier.Notify()
		<-r.Context().Done()
		g.leave()
		return
	}
	g.api.ServeHTTP(w, r)
}

func (g *gate) pass(r *http.Request) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if token, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); found {
		g.tokens[token] = struct{}{}
	}
	if g.closed {
		g.held++
	} else {
		g.passed++
	}
	return !g.closed
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held--
}

// waiting returns how many requests wait now.
func (g *gate) waiting() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.held
}

// through returns how many requests did not have to wait.
func (g *gate) through() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.passed
}

// seen returns the tokens of all requests.
func (g *gate) seen() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Collect(maps.Keys(g.tokens))
}
