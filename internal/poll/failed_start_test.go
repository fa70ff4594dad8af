// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	receiver "github.com/seed2514a141/defenderincidentsreceiver"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
)

func TestFailedStartClosesTheStorageOnce(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*stubbornDisk)
		want  string
	}{
		"the checkpoint is of a later version":   {func(d *stubbornDisk) { d.Put("version", "1000") }, "version 1000"},
		"the checkpoint cannot be read":          {func(d *stubbornDisk) { d.Put("v1/receiver", "{") }, "v1/receiver"},
		"nothing can be written":                 {func(d *stubbornDisk) { d.readOnly = true }, errReadOnly.Error()},
		"nothing can be written to a checkpoint": {func(d *stubbornDisk) { d.Put("version", "3"); d.readOnly = true }, errReadOnly.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			harness.Run(t, func(t *testing.T) {
				h := harness.New(t, harness.OneAlert(1))
				disk := useStubbornDisk(t, h)
				c.spoil(disk)
				made, err := receiver.NewFactory().CreateLogs(t.Context(), h.Settings, h.Config, h.Sink)
				require.NoError(t, err)
				err = made.Start(t.Context(), h.Host)
				require.ErrorContains(t, err, c.want)
				require.NotContains(t, err.Error(), "closed", "closing it again is an error")
				require.NoError(t, made.Shutdown(t.Context()))
				require.Equal(t, 1, disk.timesClosed())
			})
		})
	}
}
