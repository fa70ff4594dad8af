// SPDX-License-Identifier: Apache-2.0

//go:build unix

package collector

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/e2e/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

// useTLS makes the next collector reach the simulator, for sign-ins too, over
// TLS. It replaces connections that are silent for two seconds.
func (s *setup) useTLS() (arguments []string) {
	s.T.Helper()
	certificate, inPEM, err := defendersim.NewCertificate()
	require.NoError(s.T, err)
	listener, err := new(net.ListenConfig).Listen(s.Ctx, "tcp", "127.0.0.1:0")
	require.NoError(s.T, err)
	ctx, stop := context.WithCancel(s.Ctx)
	ended := make(chan error, 1)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(s.T, "HTTP/2.0", r.Proto)
		s.gate.ServeHTTP(w, r)
	})
	go func() { ended <- defendersim.Serve(ctx, listener, handler, &certificate) }()
	s.T.Cleanup(func() {
		stop()
		assert.NoError(s.T, <-ended)
	})
	s.settings.Endpoint = "https://" + listener.Addr().String()
	s.settings.SignIn = s.settings.Endpoint
	trusted := harness.WriteFile(s.T, "ca.pem", string(inPEM))
	return append(s.settings.Arguments(s.T), "--config", harness.WriteFile(s.T, "tls.yaml", fmt.Sprintf(`
extensions: {oauth2client: {tls: {ca_file: %[1]s}}}
receivers: {defender_incidents: {http: {tls: {ca_file: %[1]s}, http2_read_idle_timeout: 1s, http2_ping_timeout: 1s}}}
`, trusted)))
}

func TestLostHTTP2ConnectionsLoseNoChange(t *testing.T) {
	t.Parallel()
	population := quiet(8)
	s := newSetup(t, population, swift)
	s.failOnce(defendersim.TokenRequests, "goaway")
	s.failOnce(1005, "goaway")
	s.launch(nil, s.useTLS()...)
	s.awaitRecords(3 * 8)

	s.failOnce(1002, "silent")
	s.failOnce(1003, "goaway")
	for _, id := range s.settings.IDs {
		s.change(id, func(i *defendersim.Incident) { i.AssignedTo = "soc@contoso.example" })
	}
	s.awaitRecords(4 * 8)
	s.awaitCycle(s.settings.IDs...)
	s.stop()
	require.Len(t, s.sink.Records(), 4*8, "nothing is repeated")
	s.requireProof(population)
	var faults []string
	for _, r := range s.Sim.Journal() {
		if r.Fault != "" {
			faults = append(faults, fmt.Sprintf("%s %d %s", r.Endpoint, r.ID, r.Fault))
		}
	}
	require.ElementsMatch(t, []string{"Token 0 goaway", "GetIncident 1005 goaway", "GetIncident 1002 silent", "GetIncident 1003 goaway"}, faults)
}

func (s *setup) failOnce(where int64, fault string) {
	s.T.Helper()
	parsed, err := defendersim.ParseFault(fault)
	require.NoError(s.T, err)
	require.NoError(s.T, s.Sim.SetFault(where, defendersim.Rule{Fault: parsed, Times: 1}))
}
