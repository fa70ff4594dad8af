//go:build unix

package e2e

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// gate stands before the simulator's API. While it is closed, requests wait
// there until the client gives up, and the simulator does not see them.
type gate struct {
	bell   *bell
	behind http.Handler

	mu     sync.Mutex // guards all that follows
	closed bool
	held   int                 // requests that wait
	passed int                 // requests that did not have to
	tokens map[string]struct{} // that requests carried
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
		g.bell.ring()
		<-r.Context().Done()
		g.leave()
		return
	}
	g.behind.ServeHTTP(w, r)
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

// waiting counts the requests that are held.
func (g *gate) waiting() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.held
}

// through counts the requests that were let through.
func (g *gate) through() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.passed
}

// seen are the tokens that came by, held or not.
func (g *gate) seen() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Collect(maps.Keys(g.tokens))
}
