package poll_test

import (
	"os"
	"path/filepath"
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

// liveUntilUpgrade has the population live through the time before the upgrade. The receiver that wrote testdata/checkpoint-v2 ran
// meanwhile, from the same moment on.
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
	harness.Sleep(10 * time.Minute)                                                                               // in which 1008 was rate limited once
	require.NoError(t, sim.Update(1005, func(i *defendersim.Incident) { i.AssignedTo = "late@contoso.example" })) // whose polls failed then
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

func TestUpgradeFromCheckpointV2EmitsNothingButWhatChanged(t *testing.T) {
	harness.UnderEachAPI(t, func(t *testing.T, api receiver.API) {
		directory := t.TempDir()
		require.NoError(t, os.CopyFS(directory, os.DirFS(filepath.Join("testdata", "checkpoint-v2", string(api)))))
		population := harness.Quiet(12)
		population.ListDiffers = true
		h := harness.NewUnder(t, api, population, upgradeConfig)
		h.Settings.ID = component.NewID(receiver.NewFactory().Type())
		h.Host.Extensions[*h.Config.StorageID] = fileStorage(t, directory)
		liveUntilUpgrade(t, h.Sim)
		h.Start()
		harness.Sleep(2 * time.Hour)
		require.Equal(t, []string{"1005 updated"}, h.Sink.Changes(), "which had changed and was not polled since")
		h.Stop()
		h.Start()
		harness.Sleep(2 * time.Hour)
		require.Empty(t, h.Sink.Changes())
	})
}
