package defenderincidentsreceiver

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/storage/storagetest"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

func TestShutdownBeforeStartAndTwiceIsNoError(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(1))
		made, err := NewFactory().CreateLogs(t.Context(), w.settings, w.cfg, w.sink)
		require.NoError(t, err)
		require.NoError(t, made.Shutdown(t.Context()))

		w.start()
		require.NoError(t, w.receiver.Shutdown(t.Context()))
		require.NoError(t, w.receiver.Shutdown(t.Context()))
	})
}

func TestStartDoesNotCallTheAPI(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(1))
		hang, err := defendersim.ParseFault("hang")
		require.NoError(t, err)
		require.NoError(t, w.sim.SetFault(defendersim.AllIncidents, defendersim.Rule{Fault: hang}))
		before := time.Now()
		w.start()
		require.Equal(t, before, time.Now(), "no time went by")
	})
}

func TestTheContextOfStartDoesNotEndTheReceiver(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(1))
		made, err := NewFactory().CreateLogs(t.Context(), w.settings, w.cfg, w.sink)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		require.NoError(t, made.Start(ctx, w.host))
		cancel()
		time.Sleep(time.Minute)
		require.Equal(t, []string{"1001 first_seen", "1001 alert first_seen"}, w.sink.changes())
		require.NoError(t, made.Shutdown(t.Context()))
	})
}

func TestShutdownEndsRequestsInFlight(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(10))
		hang, err := defendersim.ParseFault("hang")
		require.NoError(t, err)
		require.NoError(t, w.sim.SetFault(defendersim.AllIncidents, defendersim.Rule{Fault: hang}))
		w.start()
		time.Sleep(time.Second)
		require.Equal(t, w.cfg.MaxConcurrentRequests, w.requests(0))
		before := time.Now()
		w.stop()
		require.Equal(t, before, time.Now(), "at once")
		require.Empty(t, w.complaints(), "a request that is given up is no trouble")
	})
}

// blocked is a consumer that returns only when its context ends.
func blocked(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestShutdownEndsADeliveryThatBlocks(t *testing.T) {
	for name, test := range map[string]struct {
		deadline time.Duration // of Shutdown's context; 0: none
		want     time.Duration
	}{
		"when its context ends":         {deadline: 2 * time.Second, want: 2 * time.Second},
		"after a grace without a limit": {want: deliveryGrace},
	} {
		t.Run(name, func(t *testing.T) {
			underEachAPI(t, func(t *testing.T, api API) {
				w := newWorldUnder(t, api, oneAlert(10))
				w.sink.refuse = blocked
				w.start()
				time.Sleep(time.Minute)
				require.LessOrEqual(t, w.requests(0), w.cfg.MaxConcurrentRequests, "nothing is fetched meanwhile")

				ctx := t.Context()
				if test.deadline > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, test.deadline)
					defer cancel()
				}
				before := time.Now()
				require.NoError(t, w.receiver.Shutdown(ctx))
				require.Equal(t, test.want, time.Since(before))

				w.sink.refuse = nil
				w.start()
				time.Sleep(time.Minute)
				require.Len(t, w.sink.changes(), 20, "what was not accepted comes after the next start")
			})
		})
	}
}

func TestShutdownSaysWhenAConsumerIgnoresItsContext(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(1))
		release := make(chan struct{})
		w.sink.refuse = func(context.Context) error { <-release; return nil }
		w.start()
		time.Sleep(time.Second)
		require.ErrorContains(t, w.receiver.Shutdown(t.Context()), "the pipeline did not return")
		close(release)
		synctest.Wait()
		require.NoError(t, w.receiver.Shutdown(t.Context()))
	})
}

func TestADeliveryUnderWayAtShutdownIsFinished(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		w := newWorldUnder(t, api, oneAlert(1))
		w.sink.refuse = func(context.Context) error { time.Sleep(time.Second); return nil }
		w.start()
		time.Sleep(time.Millisecond)
		w.stop()
		require.Len(t, w.sink.changes(), 2)
		w.start()
		time.Sleep(time.Hour)
		require.Empty(t, w.sink.changes(), "it is in the checkpoint")
	})
}

func TestStartNamesWhatKeepsItFromStarting(t *testing.T) {
	missing := component.MustNewID("nowhere")
	noStorage := storagetest.NewNonStorageID("other")
	tests := map[string]struct {
		change func(*world)
		want   string
	}{
		"no ids file":         {func(w *world) { w.cfg.IncidentIDsFile = "nowhere.txt" }, "incident_ids_file"},
		"no such storage":     {func(w *world) { w.cfg.StorageID = &missing }, "storage: there is no extension nowhere"},
		"not a storage":       {func(w *world) { w.cfg.StorageID = &noStorage }, "is not a storage"},
		"no such auth":        {func(w *world) { delete(w.host.extensions, authID) }, "http: "},
		"storage is of later": {func(w *world) { storedVersion(w, "4") }, "version 4"},
		"storage is not ours": {func(w *world) { storedVersion(w, "?") }, "cannot be read"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			underEachAPI(t, func(t *testing.T, api API) {
				w := newWorldUnder(t, api, oneAlert(1))
				w.host.extensions[noStorage] = storagetest.NewNonStorageExtension("other")
				test.change(w)
				made, err := NewFactory().CreateLogs(t.Context(), w.settings, w.cfg, w.sink)
				require.NoError(t, err)
				require.ErrorContains(t, made.Start(t.Context(), w.host), test.want)
				require.NoError(t, made.Shutdown(t.Context()), "a start that failed can be shut down")
			})
		})
	}
}

// storedVersion writes a version into the checkpoint.
func storedVersion(w *world, version string) {
	client, err := w.host.extensions[*w.cfg.StorageID].(*storagetest.TestStorage).
		GetClient(w.t.Context(), component.KindReceiver, w.settings.ID, "")
	require.NoError(w.t, err)
	require.NoError(w.t, client.Set(w.t.Context(), "version", []byte(version)))
	require.NoError(w.t, client.Close(w.t.Context()))
}

func TestIdsComeFromTheFileToo(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		file := filepath.Join(t.TempDir(), "ids.txt")
		require.NoError(t, os.WriteFile(file, []byte("# ours\n1002\nnonsense\n1001\n"), 0o600))
		w := newWorldUnder(t, api, oneAlert(3), func(cfg *Config) {
			cfg.IncidentIDs, cfg.IncidentIDsFile = []int64{1001}, file
		})
		w.start()
		time.Sleep(time.Minute)
		require.ElementsMatch(t, []string{"1001 first_seen", "1001 alert first_seen", "1002 first_seen", "1002 alert first_seen"}, w.sink.changes())
		require.Equal(t, []string{"skipping a line of incident_ids_file that is not an incident ID"}, w.complaints())
	})
}

var errUnavailable = errors.New("backend unavailable")
