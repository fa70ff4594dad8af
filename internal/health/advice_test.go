// SPDX-License-Identifier: Apache-2.0

package health

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/defender"
)

func TestAdviceAboutAProxyNamesNoPermission(t *testing.T) {
	failure := &defender.Error{Kind: defender.Network, Advice: "check the proxy", Err: errors.New("refused")}
	require.Equal(t, []zap.Field{zap.String("advice", "check the proxy")}, advice(Get, unavailable, failure))
	failure = &defender.Error{Kind: defender.Forbidden, Advice: "grant it", Permission: "Incident.Read.All"}
	require.Equal(t, []zap.Field{zap.String("advice", "grant it"), zap.String("permission_needed", "Incident.Read.All")}, advice(Get, denied, failure))
}
