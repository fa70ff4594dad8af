// SPDX-License-Identifier: Apache-2.0

package defenderincidentsreceiver_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/storage/storagetest"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
)

func TestShutdownBeforeStartAndTwiceSucceeds(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(1))
		made, err := receiver.NewFactory().CreateLogs(t.Context(), h.Settings, h.Config, h.Sink)
		require.NoError(t, err)
		require.NoError(t, made.Shutdown(t.Context()))

		h.Start()
		require.NoError(t, h.Receiver.Shutdown(t.Context()))
		require.NoError(t, h.Receiver.Shutdown(t.Context()))
	})
}

func TestStartSendsNoRequest(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(1))
		h.Fail(defendersim.AllIncidents, "hang")
		before := time.Now()
		h.Start()
		require.Equal(t, before, time.Now(), "it waited for nothing")
	})
}

func TestReceiverOutlivesTheContextOfStart(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(1))
		made, err := receiver.NewFactory().CreateLogs(t.Context(), h.Settings, h.Config, h.Sink)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		require.NoError(t, made.Start(ctx, h.Host))
		cancel()
		harness.Sleep(time.Minute)
		require.Equal(t, []string{"1001 first_seen", "1001 alert first_seen"}, h.Sink.Changes())
		require.NoError(t, made.Shutdown(t.Context()))
	})
}

func TestShutdownCancelsRequestsInFlight(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(10))
		h.Fail(defendersim.AllIncidents, "hang")
		h.Start()
		harness.Sleep(time.Second)
		require.Equal(t, h.Config.MaxConcurrentRequests, h.Polls(0))
		before := time.Now()
		h.Stop()
		require.Equal(t, before, time.Now(), "without waiting")
		require.Empty(t, h.Warnings(), "a cancelled request is no failure")
	})
}

// blocked is a consumer that returns only when its context ends.
func blocked(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestShutdownCancelsBlockedDelivery(t *testing.T) {
	for name, test := range map[string]struct {
		deadline time.Duration // of Shutdown's context; 0: none
		want     time.Duration
	}{
		"when its context ends":           {deadline: 2 * time.Second, want: 2 * time.Second},
		"after 5 s if it has no deadline": {want: 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				h := harness.New(t, harness.OneAlert(10))
				h.Sink.Refuse = blocked
				h.Start()
				harness.Sleep(time.Minute)
				require.LessOrEqual(t, h.Polls(0), h.Config.MaxConcurrentRequests, "polling has stopped")

				ctx := t.Context()
				if test.deadline > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, test.deadline)
					defer cancel()
				}
				before := time.Now()
				require.NoError(t, h.Receiver.Shutdown(ctx))
				require.Equal(t, test.want, time.Since(before))

				h.Sink.Refuse = nil
				h.Start()
				harness.Sleep(time.Minute)
				require.Len(t, h.Sink.Changes(), 20, "what was not accepted is delivered after the next start")
			})
		})
	}
}

func TestShutdownReportsConsumerThatIgnoresItsContext(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(1))
		release := make(chan struct{})
		h.Sink.Refuse = func(context.Context) error { <-release; return nil }
		h.Start()
		harness.Sleep(time.Second)
		require.ErrorContains(t, h.Receiver.Shutdown(t.Context()), "timed out waiting for the pipeline")
		close(release)
		synctest.Wait()
		require.NoError(t, h.Receiver.Shutdown(t.Context()))
	})
}

func TestShutdownFinishesDeliveryUnderWay(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(1))
		h.Sink.Refuse = func(context.Context) error { time.Sleep(time.Second); return nil }
		h.Start()
		harness.Sleep(time.Millisecond)
		h.Stop()
		require.Len(t, h.Sink.Changes(), 2)
		h.Start()
		harness.Sleep(time.Hour)
		require.Empty(t, h.Sink.Changes(), "it is in the checkpoint")
	})
}

func TestStartNamesWhatIsWrong(t *testing.T) {
	missing := component.MustNewID("nowhere")
	noStorage := storagetest.NewNonStorageID("other")
	tests := map[string]struct {
		change func(*harness.Harness)
		want   string
	}{
		"no ids file":     {func(h *harness.Harness) { h.Config.IncidentIDsFile = "nowhere.txt" }, "incident_ids_file"},
		"no such storage": {func(h *harness.Harness) { h.Config.StorageID = &missing }, "storage: there is no extension nowhere"},
		"not a storage":   {func(h *harness.Harness) { h.Config.StorageID = &noStorage }, "is not a storage"},
		"no such auth": {
			func(h *harness.Harness) { delete(h.Host.Extensions, harness.AuthID()) },
			"http::auth::authenticator: there is no extension " + harness.AuthID().String() + "; add it to extensions and to service::extensions",
		},
		"not an auth": {
			func(h *harness.Harness) { h.Config.HTTP.Auth.Get().AuthenticatorID = noStorage },
			"http::auth::authenticator: the extension " + noStorage.String() + " does not sign in to an HTTP API; use one such as azureauth",
		},
		"several at once": {func(h *harness.Harness) {
			h.Config.IncidentIDsFile, h.Config.StorageID = t.TempDir(), &missing
			delete(h.Host.Extensions, harness.AuthID())
		}, "3 problems:\n  incident_ids_file: "},
		"no such certificate": {func(h *harness.Harness) { h.Config.HTTP.TLS.CAFile = "nowhere.pem" }, "http: "},
		"storage is newer":    {func(h *harness.Harness) { h.Disk.Put("version", "1000") }, "version 1000"},
		"storage is not ours": {func(h *harness.Harness) { h.Disk.Put("version", "?") }, "cannot read"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				h := harness.New(t, harness.OneAlert(1))
				h.Host.Extensions[noStorage] = storagetest.NewNonStorageExtension("other")
				test.change(h)
				made, err := receiver.NewFactory().CreateLogs(t.Context(), h.Settings, h.Config, h.Sink)
				require.NoError(t, err)
				require.ErrorContains(t, made.Start(t.Context(), h.Host), test.want)
				require.NoError(t, made.Shutdown(t.Context()), "a failed start can be shut down")
			})
		})
	}
}
