// SPDX-License-Identifier: Apache-2.0

package defenderincidentsreceiver // import "github.com/seed2514a141/defenderincidentsreceiver"

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/collector/component"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/poll"
)

const (
	// deliveryGrace is how long the end of a term without a deadline of its own
	// waits for the pipeline to accept what it was just given.
	deliveryGrace = 5 * time.Second
	// abandonGrace is how long a consumer may take to notice that its context has ended.
	abandonGrace = time.Second
)

// term is a period of polling: from Start to Shutdown or, with a leader
// elector, while this collector leads.
type term struct {
	engine     *poll.Engine
	stopping   context.CancelFunc // ends the requests and the loop
	abandoning context.CancelFunc // ends a delivery, and storage calls
	done       chan struct{}      // closed when the loop has ended
	release    func() error       // closes what openTerm opened, once
}

// begin reads the checkpoint and starts the engine, which polls until running is
// canceled or the term ends. ctx is used only until begin returns.
func (r *incidentsReceiver) begin(ctx, running context.Context, host component.Host, deps dependencies) (*term, error) {
	t, err := r.openTerm(ctx, host, deps)
	if err != nil {
		deps.client.CloseIdleConnections()
		return nil, err
	}
	t.run(running)
	return t, nil
}

// run starts the loop.
func (t *term) run(running context.Context) {
	running, t.stopping = context.WithCancel(running)
	delivering, abandoning := context.WithCancel(context.Background())
	t.abandoning, t.done = abandoning, make(chan struct{})
	go func() {
		defer close(t.done)
		t.engine.Run(running, delivering)
	}()
}

// end ends the requests first, then lets the pipeline accept what it was just
// given, until ctx ends or deliveryGrace has passed. It is safe to call again.
func (t *term) end(ctx context.Context) error {
	t.stopping()
	grace := time.NewTimer(deliveryGrace)
	defer grace.Stop()
	select {
	case <-t.done:
	case <-grace.C:
	case <-ctx.Done():
	}
	t.abandoning()
	grace.Reset(abandonGrace)
	select {
	case <-t.done:
		return t.release()
	case <-grace.C:
		go func() { // the next term can then open the storage
			<-t.done
			_ = t.release()
		}()
		return fmt.Errorf("shutdown timed out waiting for %s; the checkpoint stays open", t.engine.WaitingFor())
	}
}
