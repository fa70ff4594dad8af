// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/storage/filestorage"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/extension"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
)

// upgradeConfig turns on what leaves something in a checkpoint.
func upgradeConfig(cfg *receiver.Config) {
	harness.WithFeed(func(f *receiver.ChangeFeedConfig) { f.Discover = true })(cfg)
	cfg.IgnoreChanges = []string{"riskScore"}
	cfg.IncidentIDs = cfg.IncidentIDs[:8]
}

// liveUntilUpgrade makes the population change as it did before the upgrade. The receivers that wrote testdata/checkpoint-v2 and -v3 ran during
// that time, from the same moment on. The one that wrote checkpoint-v3 did not store descriptions of incidents and alerts.
func liveUntilUpgrade(t *testing.T, sim *defendersim.Sim) {
	t.Helper()
	harness.Sleep(10 * time.Minute)
	second, err := sim.Incident(1002)
	require.NoError(t, err)
	require.NoError(t, sim.RemoveAlert(1002, second.Alerts[0].ID))
	require.NoError(t, sim.Merge(1001, 1009))
	require.NoError(t, sim.Merge(1006, 1007))
	require.NoError(t, sim.Remove(1003))
	require.NoError(t, sim.Update(1004, func(i *defendersim.Incident) { i.Status = defendersim.StatusResolved }))
	harness.Sleep(10 * time.Minute)
	require.NoError(t, sim.Update(1010, func(i *defendersim.Incident) { i.AssignedTo = "analyst@contoso.example" }))
	harness.Sleep(10 * time.Minute)                                                                               // meanwhile, with checkpoint-v2, 1008 was rate limited once
	require.NoError(t, sim.Update(1005, func(i *defendersim.Incident) { i.AssignedTo = "late@contoso.example" })) // its polls failed then
	harness.Sleep(10 * time.Second)
}

// fileStorage is the file_storage extension over a directory.
func fileStorage(t *testing.T, directory string) component.Component {
	t.Helper()
	factory := filestorage.NewFactory()
	cfg := factory.CreateDefaultConfig().(*filestorage.Config)
	cfg.Directory = directory
	require.NoError(t, cfg.Validate())
	made, err := factory.Create(t.Context(), extension.Settings{
		ID: component.NewID(factory.Type()), TelemetrySettings: componenttest.NewNopTelemetrySettings(),
	}, cfg)
	require.NoError(t, err)
	return made
}

// upgraded returns a receiver, not started yet, with the checkpoint of that version.
func upgraded(t *testing.T, api receiver.API, version string) *harness.Harness {
	t.Helper()
	directory := t.TempDir()
	require.NoError(t, os.CopyFS(directory, os.DirFS(filepath.Join("testdata", "checkpoint-"+version, string(api)))))
	population := harness.Quiet(12)
	population.ListDiffers = true
	h := harness.NewUnder(t, api, population, upgradeConfig)
	h.Settings.ID = component.NewID(receiver.NewFactory().Type())
	h.Host.Extensions[*h.Config.StorageID] = fileStorage(t, directory)
	liveUntilUpgrade(t, h.Sim)
	return h
}

func TestUpgradeEmitsNothingButWhatChanged(t *testing.T) {
	harness.Long(t)
	for _, version := range []string{"v2", "v3"} {
		t.Run(version, func(t *testing.T) {
			harness.UnderEachAPI(t, func(t *testing.T, api receiver.API) {
				h := upgraded(t, api, version)
				h.Start()
				harness.Sleep(2 * time.Hour)
				require.Equal(t, []string{"1005 updated"}, h.Sink.Changes(), "which had changed and was not polled since")
				h.Stop()
				h.Start()
				harness.Sleep(2 * time.Hour)
				require.Empty(t, h.Sink.Changes())
			})
		})
	}
}

// One poll after the upgrade is enough, though it finds nothing new.
func TestRecordsAfterAnUpgradeSayWhatIsGone(t *testing.T) {
	harness.Long(t)
	harness.UnderEachAPI(t, func(t *testing.T, api receiver.API) {
		h := upgraded(t, api, "v3")
		h.Start()
		harness.Sleep(2 * time.Hour)
		h.Sink.Reset()
		gone, err := h.Sim.Incident(1004)
		require.NoError(t, err)
		require.NoError(t, h.Sim.Remove(1004))
		harness.Sleep(2 * time.Hour)
		r := onlyRecord(t, h)
		require.Equal(t, "not_found", r["microsoft.defender.incident.change"])
		require.Equal(t, gone.Name, r["microsoft.defender.incident.name"])
		require.True(t, strings.EqualFold(gone.Severity, r["microsoft.defender.incident.severity"].(string)))
		require.Contains(t, r["microsoft.defender.incident.url"], "/1004")
	})
}

// onlyRecord takes the only record out of the sink and returns its attributes.
func onlyRecord(t *testing.T, h *harness.Harness) map[string]any {
	t.Helper()
	defer h.Sink.Reset()
	require.Equal(t, 1, h.Sink.LogRecordCount())
	return h.Sink.AllLogs()[0].ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Attributes().AsRaw()
}
