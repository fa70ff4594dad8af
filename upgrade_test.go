package defenderincidentsreceiver

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/storage/filestorage"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/extension"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

var writeCheckpoints = flag.Bool("write-checkpoints", false, "write testdata/checkpoint-v2 with this version of the receiver")

// upgradeConfig turns on what leaves something in a checkpoint.
func upgradeConfig(cfg *Config) {
	feeding(func(f *ChangeFeedConfig) { f.Discover = true })(cfg)
	cfg.IgnoreChanges = []string{"riskScore"}
	cfg.IncidentIDs = cfg.IncidentIDs[:8]
}

// liveUntilUpgrade has the population live through the time before an upgrade,
// at the same moments whoever runs meanwhile.
func liveUntilUpgrade(t *testing.T, sim *defendersim.Sim) {
	t.Helper()
	time.Sleep(10 * time.Minute)
	second, err := sim.Incident(1002)
	require.NoError(t, err)
	require.NoError(t, sim.RemoveAlert(1002, second.Alerts[0].ID))
	require.NoError(t, sim.Merge(1001, 1009))
	require.NoError(t, sim.Merge(1006, 1007))
	require.NoError(t, sim.Remove(1003))
	require.NoError(t, sim.Update(1004, func(i *defendersim.Incident) { i.Status = defendersim.StatusResolved }))
	time.Sleep(10 * time.Minute)
	require.NoError(t, sim.Update(1010, func(i *defendersim.Incident) { i.AssignedTo = "analyst@contoso.example" }))
	throttle := rule(t, "429")
	throttle.Times = 1
	require.NoError(t, sim.SetFault(1008, throttle))
	time.Sleep(10 * time.Minute)
	require.NoError(t, sim.SetFault(1005, rule(t, "503")))
	require.NoError(t, sim.Update(1005, func(i *defendersim.Incident) { i.AssignedTo = "late@contoso.example" }))
	time.Sleep(10 * time.Second)
}

func upgradePopulation() defendersim.Config {
	population := quiet(12)
	population.ListDiffers = true
	return population
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

func checkpointOfVersion2(api API) string {
	return filepath.Join("testdata", "checkpoint-v2", string(api))
}

func TestWriteCheckpoints(t *testing.T) {
	if !*writeCheckpoints {
		return
	}
	underEachAPI(t, func(t *testing.T, api API) {
		directory := checkpointOfVersion2(api)
		require.NoError(t, os.RemoveAll(directory))
		require.NoError(t, os.MkdirAll(directory, 0o750))
		w := newWorldUnder(t, api, upgradePopulation(), upgradeConfig)
		w.settings.ID = component.NewID(NewFactory().Type())
		w.host.extensions[*w.cfg.StorageID] = fileStorage(t, directory)
		w.start()
		liveUntilUpgrade(t, w.sim)
		w.stop()
		t.Log(w.sink.changes())
	})
}

func TestAnUpgradeEmitsNothingButWhatChanged(t *testing.T) {
	underEachAPI(t, func(t *testing.T, api API) {
		directory := t.TempDir()
		require.NoError(t, os.CopyFS(directory, os.DirFS(checkpointOfVersion2(api))))
		w := newWorldUnder(t, api, upgradePopulation(), upgradeConfig)
		w.settings.ID = component.NewID(NewFactory().Type())
		w.host.extensions[*w.cfg.StorageID] = fileStorage(t, directory)
		liveUntilUpgrade(t, w.sim)
		w.sim.ClearFaults()
		w.start()
		time.Sleep(2 * time.Hour)
		require.Equal(t, []string{"1005 updated"}, w.sink.changes(), "which had changed and was not polled since")
		w.stop()
		w.start()
		time.Sleep(2 * time.Hour)
		require.Empty(t, w.sink.changes())
	})
}
