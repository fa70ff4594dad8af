// SPDX-License-Identifier: Apache-2.0

package defenderincidentsreceiver // import "github.com/seed2514a141/defenderincidentsreceiver"

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/receiver"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/metadata"
)

// NewFactory returns the factory of the defender_incidents receiver.
func NewFactory() receiver.Factory {
	return receiver.NewFactory(metadata.Type, createDefaultConfig,
		receiver.WithLogs(createLogs, metadata.LogsStability))
}

func createLogs(_ context.Context, settings receiver.Settings, cfg component.Config, next consumer.Logs) (receiver.Logs, error) {
	config := cfg.(*Config)
	if err := config.misread.Err(); err != nil { // for a host that does not call Validate
		return nil, err
	}
	return newReceiver(settings, config, next), nil
}
