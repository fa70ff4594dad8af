// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"syscall"
	"time"
)

// tokens decides which requests get a token, like an auth extension that requests
// one each time.
type tokens struct {
	mu       sync.Mutex
	fault    string
	scope    int // of ten requests; 0: all
	requests []time.Time
}

// fail makes requests for a token fail from now on; empty: they work.
func (t *tokens) fail(fault string, scope int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fault, t.scope = fault, scope
}

// next returns why the next request gets no token; nil if it gets one.
func (t *tokens) next(r *http.Request) error {
	t.mu.Lock()
	fault := t.fault
	if t.scope > 0 && len(t.requests)*t.scope%10 >= t.scope {
		fault = ""
	}
	t.requests = append(t.requests, time.Now())
	t.mu.Unlock()
	switch fault {
	case "":
		return nil
	case "hang":
		<-r.Context().Done()
		return fmt.Errorf("get a token: %w", r.Context().Err())
	case "reset":
		return fmt.Errorf("get a token: read tcp 192.0.2.1:443: %w", syscall.ECONNRESET)
	case "html":
		return errors.New("oauth2: cannot parse json: invalid character '<' looking for beginning of value")
	case "redirect":
		return errors.New("oauth2: cannot fetch token: 302 Found")
	}
	return fmt.Errorf("oauth2: cannot fetch token: %s\nResponse: AADSTS7000215", fault)
}

// signIns returns how many requests for a token were sent between two times.
func (d *halfWorkingDay) signIns(from, until time.Duration) int {
	d.tokens.mu.Lock()
	defer d.tokens.mu.Unlock()
	n := 0
	for _, request := range d.tokens.requests {
		if at := request.Sub(d.began); at >= from && at < until {
			n++
		}
	}
	return n
}
