// SPDX-License-Identifier: Apache-2.0

package defenderincidentsreceiver_test

import (
	"cmp"
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	defenderincidents "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/metadatatest"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/proof"
)

// elected makes a harness with a receiver that polls while the elector leads,
// with a storage that only one process can open.
func elected(t *testing.T, population defendersim.Config, change ...func(*defenderincidents.Config)) (*harness.Harness, *harness.Elector) {
	t.Helper()
	h := harness.New(t, population, append(change, func(cfg *defenderincidents.Config) {
		id := harness.ElectorID()
		cfg.LeaderElectorID = &id
	})...)
	elector := &harness.Elector{}
	h.Host.Extensions[harness.ElectorID()] = elector
	h.Disk.Exclusive = true
	return h, elector
}

func requireActive(t *testing.T, h *harness.Harness, want int64) {
	t.Helper()
	metadatatest.AssertEqualReceiverDefenderIncidentsActive(t, h.Telemetry, []metricdata.DataPoint[int64]{{
		Value: want, Attributes: attribute.NewSet(attribute.String("receiver", h.Settings.ID.String())),
	}}, metricdatatest.IgnoreTimestamp())
}

func TestReceiverWithoutElectorIsActive(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(1))
		h.Start()
		requireActive(t, h, 1)
	})
}

func TestStandbyOpensNoStorageAndSendsNoRequest(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h, _ := elected(t, harness.OneAlert(3))
		h.Start()
		harness.Sleep(time.Hour)
		require.Zero(t, h.Polls(0))
		require.Zero(t, h.Disk.Open())
		require.Empty(t, h.Host.Statuses())
		require.Len(t, h.Logs.All(), 1)
		require.Equal(t, 1, h.Logs.FilterMessage("on standby; polling starts when this collector becomes the leader").Len())
		requireActive(t, h, 0)
		h.Stop()
	})
}

func TestLeaderPollsUntilItLosesTheLease(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h, elector := elected(t, harness.OneAlert(2))
		h.Start()
		elector.Elect()
		harness.Sleep(time.Minute)
		require.Len(t, h.Sink.Changes(), 4)
		require.Equal(t, 1, h.Disk.Open())
		requireActive(t, h, 1)

		elector.Lose()
		harness.Sleep(0)
		require.Zero(t, h.Disk.Open())
		requireActive(t, h, 0)
		polls := h.Polls(0)
		require.NoError(t, h.Sim.Change(1001, 1))
		harness.Sleep(time.Hour)
		require.Equal(t, polls, h.Polls(0))

		elector.Elect()
		harness.Sleep(10 * time.Minute)
		require.Equal(t, []string{"1001 updated"}, h.Sink.IncidentChanges(), "it goes on from the checkpoint")
		h.Stop()
	})
}

func TestCollectorThatAlreadyLeadsPollsAtOnce(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h, elector := elected(t, harness.OneAlert(1))
		elector.Elect()
		h.Start()
		harness.Sleep(time.Second)
		require.Equal(t, 1, h.Polls(0))
		elector.Lose()
		harness.Sleep(time.Hour)
		require.Equal(t, 1, h.Polls(0))
	})
}

func TestLostLeaseCancelsRequestsInFlight(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h, elector := elected(t, harness.OneAlert(10))
		h.Fail(defendersim.AllIncidents, "hang")
		h.Start()
		elector.Elect()
		harness.Sleep(time.Second)
		require.Equal(t, h.Config.MaxConcurrentRequests, h.Polls(0))
		elector.Lose()
		harness.Sleep(0)
		require.Zero(t, h.Disk.Open(), "without waiting")
		require.Empty(t, h.Warnings())
	})
}

func TestLostLeaseLeavesThePipelineFiveSeconds(t *testing.T) {
	for name, takes := range map[string]time.Duration{"accepted": 4 * time.Second, "not accepted": time.Minute} {
		t.Run(name, func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				h, elector := elected(t, harness.OneAlert(1), func(cfg *defenderincidents.Config) { cfg.Alerts = defenderincidents.AlertsNone })
				h.Sink.Refuse = func(ctx context.Context) error {
					select {
					case <-time.After(takes):
						return nil
					case <-ctx.Done():
						return ctx.Err()
					}
				}
				h.Start()
				elector.Elect()
				harness.Sleep(0)
				elector.Lose()
				lost := time.Now()
				for h.Disk.Open() > 0 {
					harness.Sleep(time.Second)
				}
				require.Equal(t, min(takes, 5*time.Second), time.Since(lost))

				h.Sink.Refuse = nil
				elector.Elect()
				harness.Sleep(time.Minute)
				require.Equal(t, []string{"1001 first_seen"}, h.Sink.Changes(), "once, by the first or the second leadership")
			})
		})
	}
}

func TestLeaderRetriesWhileTheStorageIsLocked(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h, elector := elected(t, harness.OneAlert(1))
		former, err := h.Disk.GetClient(t.Context(), component.KindReceiver, h.Settings.ID, "")
		require.NoError(t, err)
		h.Start()
		elector.Elect()
		harness.Sleep(time.Hour)
		require.Zero(t, h.Polls(0))
		requireActive(t, h, 0)
		require.Equal(t, []string{"elected leader, but cannot start polling; retrying with backoff"}, h.Warnings(), "logged once")
		require.Len(t, h.Host.Statuses(), 1)
		require.Contains(t, h.Host.Statuses()[0], "StatusRecoverableError: storage: cannot open test_storage/state")

		require.NoError(t, former.Close(t.Context()))
		harness.Sleep(time.Minute)
		require.Equal(t, 1, h.Polls(0))
		require.Equal(t, "StatusOK", h.Host.Statuses()[1])
		requireActive(t, h, 1)
	})
}

func TestLeaderPollsAgainOnceAPipelineThatHungHasReturned(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h, elector := elected(t, harness.OneAlert(1))
		returns := make(chan struct{})
		h.Sink.Refuse = func(context.Context) error { // even if its context has ended
			<-returns
			return errors.New("too late")
		}
		h.Start()
		elector.Elect()
		harness.Sleep(time.Minute)
		elector.Lose()
		harness.Sleep(time.Minute)
		require.Equal(t, 1, h.Disk.Open())
		require.Equal(t, 1, h.Logs.FilterMessage("no longer the leader, but polling did not stop in time").Len())
		elector.Elect()
		harness.Sleep(time.Minute)
		requireActive(t, h, 0)

		h.Sink.Refuse = nil
		close(returns)
		harness.Sleep(time.Minute)
		requireActive(t, h, 1)
		require.Equal(t, []string{"1001 first_seen", "1001 alert first_seen"}, h.Sink.Changes())
		h.Stop()
		require.Zero(t, h.Disk.Open())
	})
}

func TestRetriesLogABadLineOfTheIDsFileOnce(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h, elector := elected(t, harness.OneAlert(1))
		h.Config.IncidentIDsFile = filepath.Join(t.TempDir(), "ids.txt")
		require.NoError(t, os.WriteFile(h.Config.IncidentIDsFile, []byte("1001\nphishing\n"), 0o600))
		_, err := h.Disk.GetClient(t.Context(), component.KindReceiver, h.Settings.ID, "")
		require.NoError(t, err)
		h.Start()
		elector.Elect()
		harness.Sleep(time.Hour)
		require.Equal(t, 2, h.Logs.FilterMessage("skipping a line of incident_ids_file that is not an incident ID").Len(), "at the start and by the leader")
	})
}

// hanging is a storage that does not heed its context.
type hanging struct {
	*harness.Disk
	returns chan struct{}
}

func (s hanging) GetClient(context.Context, component.Kind, component.ID, string) (storage.Client, error) {
	<-s.returns
	return nil, errors.New("too late")
}

func TestShutdownDoesNotWaitForAStorageThatHangs(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h, elector := elected(t, harness.OneAlert(1))
		disk := hanging{h.Disk, make(chan struct{})}
		h.Host.Extensions[*h.Config.StorageID] = disk
		h.Start()
		elector.Elect()
		harness.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		before := time.Now()
		require.EqualError(t, h.Receiver.Shutdown(ctx), "shutdown timed out while the storage was still being opened")
		require.Equal(t, 3*time.Second, time.Since(before))
		close(disk.returns)
		harness.Sleep(0)
	})
}

func TestStandbyIsHealthyWhateverFailedBefore(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h, elector := elected(t, harness.OneAlert(10))
		h.Fail(defendersim.AllIncidents, "500")
		h.Start()
		elector.Elect()
		harness.Sleep(10 * time.Minute)
		require.Len(t, h.Host.Statuses(), 1)
		require.Contains(t, h.Host.Statuses()[0], "StatusRecoverableError")
		elector.Lose()
		harness.Sleep(time.Minute)
		require.Equal(t, "StatusOK", h.Host.Statuses()[1])
		require.Len(t, h.Host.Statuses(), 2)
	})
}

func TestLeadershipThatEndedBeforeItWasToldIsNone(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h, elector := elected(t, harness.OneAlert(1))
		h.Start()
		elector.ElectTooLate()
		harness.Sleep(time.Hour)
		require.Zero(t, h.Polls(0))
		elector.Elect()
		harness.Sleep(time.Second)
		require.Equal(t, 1, h.Polls(0))
	})
}

func TestShutdownSucceedsInEachStateOfTheLeadership(t *testing.T) {
	for name, state := range map[string]func(*harness.Harness, *harness.Elector){
		"standby": func(*harness.Harness, *harness.Elector) {},
		"leading": func(_ *harness.Harness, elector *harness.Elector) { elector.Elect() },
		"lost": func(_ *harness.Harness, elector *harness.Elector) {
			elector.Elect()
			harness.Sleep(time.Minute)
			elector.Lose()
		},
		"storage locked": func(h *harness.Harness, elector *harness.Elector) {
			_, err := h.Disk.GetClient(context.Background(), component.KindReceiver, h.Settings.ID, "")
			if err != nil {
				panic(err)
			}
			elector.Elect()
		},
		"pipeline blocked": func(h *harness.Harness, elector *harness.Elector) {
			h.Sink.Refuse = blocked
			elector.Elect()
		},
	} {
		t.Run(name, func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				h, elector := elected(t, harness.OneAlert(1))
				h.Start()
				state(h, elector)
				harness.Sleep(time.Second)
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				defer cancel()
				before := time.Now()
				require.NoError(t, h.Receiver.Shutdown(ctx))
				require.LessOrEqual(t, time.Since(before), 2*time.Second)
				require.NoError(t, h.Receiver.Shutdown(ctx))
				polls := h.Polls(0)
				elector.Lose()
				elector.Elect()
				harness.Sleep(time.Hour)
				require.Equal(t, polls, h.Polls(0), "after its end it takes no lease")
			})
		})
	}
}

// Two collectors share a storage. Leadership changes at random moments, also in the
// middle of a sweep, a first pass or a delivery.
func TestLeadershipMovesAtRandomMoments(t *testing.T) {
	harness.UnderEachAPI(t, func(t *testing.T, api defenderincidents.API) {
		population := harness.OneAlert(150)
		population.ChangesPerHour, population.Seed = 600, 3
		id := harness.ElectorID()
		h := harness.NewUnder(t, api, population, harness.WithFeed(), func(cfg *defenderincidents.Config) { cfg.LeaderElectorID = &id })
		h.Disk.Exclusive = true
		collectors := []*harness.Elector{{}, {}}
		for _, elector := range collectors {
			h.Host.Extensions[id] = elector
			h.Start()
		}
		began, random := time.Now(), rand.New(rand.NewPCG(1, 2))
		for range 60 {
			elector := collectors[random.IntN(2)]
			elector.Elect()
			harness.Sleep(time.Duration(random.Int64N(int64(3 * time.Minute))))
			elector.Lose()
			harness.Sleep(0)
			require.Zero(t, h.Disk.Open())
		}
		collectors[0].Elect()
		harness.Sleep(20 * time.Minute)
		collectors[0].Lose()
		require.Empty(t, h.Warnings())
		run := h.Run()
		run.ByTime = true
		require.Empty(t, run.Problems())
		require.Empty(t, run.Late(h.Sim.IDs(), began, 12*time.Minute))
		require.Zero(t, proof.Repeats(h.Sink.Records()))
		require.LessOrEqual(t, h.Sim.MaxInWindow(time.Minute), h.Config.RateLimit.RequestsPerMinute)
		require.LessOrEqual(t, h.Sim.MaxInWindow(time.Hour), cmp.Or(h.Config.RateLimit.RequestsPerHour, math.MaxInt))
	})
}

func TestStartNamesALeaderElectorThatCannotBeUsed(t *testing.T) {
	for name, test := range map[string]struct {
		extension component.Component
		want      string
	}{
		"missing":       {want: "k8s_leader_elector: there is no extension k8s_leader_elector; add it to extensions and to service::extensions"},
		"of other kind": {extension: harness.NewDisk(), want: "k8s_leader_elector: the extension k8s_leader_elector is not a leader elector; use one of type k8s_leader_elector"},
	} {
		t.Run(name, func(t *testing.T) {
			h, _ := elected(t, harness.OneAlert(1))
			delete(h.Host.Extensions, harness.ElectorID())
			if test.extension != nil {
				h.Host.Extensions[harness.ElectorID()] = test.extension
			}
			require.EqualError(t, start(t, h), test.want)
		})
	}
}

func TestStandbyNamesWhatItCannotUseAtTheStart(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*harness.Harness)
		want   string
	}{
		"IDs file": {func(h *harness.Harness) { h.Config.IncidentIDsFile = "missing.txt" }, "incident_ids_file: "},
		"storage":  {func(h *harness.Harness) { delete(h.Host.Extensions, *h.Config.StorageID) }, "storage: there is no extension test_storage/state"},
		"auth":     {func(h *harness.Harness) { delete(h.Host.Extensions, harness.AuthID()) }, "http::auth::authenticator: "},
	} {
		t.Run(name, func(t *testing.T) {
			h, _ := elected(t, harness.OneAlert(1))
			test.change(h)
			require.ErrorContains(t, start(t, h), test.want)
		})
	}
}

// start is the error of a start; the receiver is shut down.
func start(t *testing.T, h *harness.Harness) error {
	t.Helper()
	made, err := defenderincidents.NewFactory().CreateLogs(t.Context(), h.Settings, h.Config, h.Sink)
	require.NoError(t, err)
	return errors.Join(made.Start(t.Context(), h.Host), made.Shutdown(t.Context()))
}
