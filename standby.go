// SPDX-License-Identifier: Apache-2.0

package defenderincidentsreceiver // import "github.com/seed2514a141/defenderincidentsreceiver"

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.uber.org/zap"
)

// maxBeginInterval is the longest time between two attempts to begin a term.
const maxBeginInterval = 15 * time.Second

// standby polls while this collector leads: each leadership is a term of its
// own. One goroutine begins and ends the terms, one after another.
type standby struct {
	receiver *incidentsReceiver
	host     *statusHost
	elected  chan context.Context // buffer of one: the leadership that has begun

	mu     sync.Mutex
	resign context.CancelFunc // ends the current leadership; nil: there is none

	running context.Context // ends with Shutdown
	stop    context.CancelFunc
	ending  context.Context // ends when Shutdown stops waiting
	abandon context.CancelFunc
	done    chan error // gets the error of the last term's end, once
}

// standBy checks what can be checked without leading, and registers with the
// leader elector. It opens no storage.
func (r *incidentsReceiver) standBy(ctx context.Context, host component.Host) (*standby, error) {
	deps, err := r.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	deps.client.CloseIdleConnections()
	s := &standby{
		receiver: r,
		host:     &statusHost{Host: host},
		elected:  make(chan context.Context, 1),
		done:     make(chan error, 1),
	}
	s.running, s.stop = context.WithCancel(context.Background())
	s.ending, s.abandon = context.WithCancel(context.Background())
	r.settings.Logger.Info("on standby; polling starts when this collector becomes the leader", zap.Stringer("k8s_leader_elector", r.cfg.LeaderElectorID))
	go func() { s.done <- s.run() }()
	elector := host.GetExtensions()[*r.cfg.LeaderElectorID].(leaderElector) // see checkExtensions
	elector.SetCallBackFuncs(s.startedLeading, s.stoppedLeading)
	return s, nil
}

// The elector calls startedLeading and stoppedLeading, never concurrently.
// startedLeading may be called after the leadership has ended: then its context
// has ended, too.
func (s *standby) startedLeading(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.resign != nil {
		s.resign()
	}
	ctx, s.resign = context.WithCancel(ctx)
	select {
	case <-s.elected: // one that ended before its term began
	default:
	}
	s.elected <- ctx
}

func (s *standby) stoppedLeading() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.resign != nil {
		s.resign()
		s.resign = nil
	}
}

// run runs from Start to Shutdown.
func (s *standby) run() error {
	for {
		select {
		case <-s.running.Done():
			return nil
		case leading := <-s.elected:
			if err := s.lead(leading); s.running.Err() != nil {
				return err
			}
		}
	}
}

// lead polls until the leadership or the receiver ends.
func (s *standby) lead(leading context.Context) error {
	leading, cancel := context.WithCancel(leading)
	defer cancel()
	defer context.AfterFunc(s.running, cancel)()
	if leading.Err() != nil {
		return nil
	}
	logger, active := s.receiver.settings.Logger, s.receiver.active
	logger.Info("elected leader; polling starts")
	t := s.begin(leading)
	if t == nil {
		logger.Info("no longer the leader; polling had not started yet")
		s.host.recovered()
		return nil
	}
	active.set(true)
	<-leading.Done()
	active.set(false)
	err := t.end(s.ending)
	if s.running.Err() != nil {
		return err
	}
	if err != nil {
		logger.Error("no longer the leader, but polling did not stop in time", zap.Error(err))
	} else {
		logger.Info("no longer the leader; polling has stopped")
	}
	s.host.recovered()
	return nil
}

// begin begins a term, with backoff until it succeeds or the leadership ends: the
// former leader may still hold the storage. It returns nil in the latter case.
func (s *standby) begin(leading context.Context) *term {
	interval := backoff.NewExponentialBackOff()
	interval.InitialInterval, interval.MaxInterval = 500*time.Millisecond, maxBeginInterval
	failures := 0
	var deps dependencies // resolved once: each reading of the IDs file logs its bad lines
	t, err := backoff.Retry(leading, func() (t *term, err error) {
		if deps.ids == nil {
			if deps, err = s.receiver.resolve(leading, s.host); err != nil {
				return nil, err
			}
		}
		return s.receiver.begin(leading, leading, s.host, deps)
	}, backoff.WithBackOff(interval), backoff.WithMaxElapsedTime(0), backoff.WithNotify(func(err error, _ time.Duration) {
		if failures++; failures == 1 && leading.Err() == nil {
			s.receiver.settings.Logger.Warn("elected leader, but cannot start polling; retrying with backoff", zap.Error(err))
			s.host.Report(componentstatus.NewRecoverableErrorEvent(err))
		}
	}))
	if err != nil {
		return nil
	}
	if failures > 0 {
		s.receiver.settings.Logger.Info("polling started after failed attempts", zap.Int("failures", failures))
		s.host.recovered()
	}
	return t
}

// shutdown ends the current term, if there is one, and waits for it no longer
// than ctx and the grace periods of a term allow.
func (s *standby) shutdown(ctx context.Context) error {
	defer context.AfterFunc(ctx, s.abandon)()
	s.stop()
	limit := time.NewTimer(deliveryGrace + 2*abandonGrace) // the error of the term says more
	defer limit.Stop()
	canceled := ctx.Done()
	for {
		select {
		case err := <-s.done:
			s.done <- nil // for another call
			s.abandon()
			return err
		case <-canceled:
			canceled = nil
			limit.Reset(2 * abandonGrace)
		case <-limit.C:
			return errors.New("shutdown timed out while the storage was still being opened")
		}
	}
}

// statusHost remembers what was last reported: while a receiver is on standby,
// its earlier failures no longer matter.
type statusHost struct {
	component.Host
	failing atomic.Bool
}

var _ componentstatus.Reporter = (*statusHost)(nil)

// Report passes an event on to the collector.
func (h *statusHost) Report(event *componentstatus.Event) {
	h.failing.Store(event.Status() != componentstatus.StatusOK)
	componentstatus.ReportStatus(h.Host, event)
}

// recovered ends the failure that was last reported, if there is one.
func (h *statusHost) recovered() {
	if h.failing.Load() {
		h.Report(componentstatus.NewEvent(componentstatus.StatusOK))
	}
}
