// SPDX-License-Identifier: Apache-2.0

//go:build unix

package backends

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/e2e/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

// ready is what a collector logs when all its components run.
const ready = "Everything is ready."

func TestCollectorOverGRPCToASecondOne(t *testing.T) {
	t.Parallel()
	s := newSetup(t, defendersim.APIDefenderXDR, 1001)
	huge := s.addHuge()
	backend := harness.NewSink(s.Notifier)
	ca := newAuthority(t)
	address := harness.FreeAddress(t)
	gateway := s.startGateway(address, ca.environment("127.0.0.1"), backend)
	environment := ca.environment("sender")
	environment["GATEWAY_ENDPOINT"] = address
	p := s.start("otlp-grpc.yaml", environment, unhurried("otlp_grpc"))
	s.play(p)
	s.awaitAll(p, backend)
	p.Stop(t)
	gateway.Stop(t)

	require.Empty(t, backend.Problems())
	s.requireAll(recordsOf(t, backend.Deliveries()))
	_, alerts, size := s.shown(huge)
	t.Logf("an incident of %d bytes with %d alerts", size, len(alerts))
	require.Greater(t, size, 4<<20, "more than gRPC accepts by default")
}

func TestCollectorAsGatewayRejectsForeignCertificates(t *testing.T) {
	t.Parallel()
	s := newSetup(t, defendersim.APIDefenderXDR, 1001)
	backend := harness.NewSink(s.Notifier)
	ca := newAuthority(t)
	address := harness.FreeAddress(t)
	gateway := s.startGateway(address, ca.environment("127.0.0.1"), backend)
	environment := newAuthority(t).environment("sender") // from another authority
	environment["GATEWAY_ENDPOINT"], environment["TLS_CA_FILE"] = address, ca.path
	p := s.start("otlp-grpc.yaml", environment, "")
	s.Await(p, "a refusal", func() bool { return strings.Contains(p.Log(), "Exporting failed. Will retry") })
	require.Zero(t, backend.RecordCount())
	p.Stop(t)
	gateway.Stop(t)
}

// startGateway starts a second collector and waits until it listens.
func (s *setup) startGateway(address string, environment map[string]string, backend *harness.Sink) *harness.Program {
	s.T.Helper()
	environment["OTLP_ENDPOINT"] = harness.Serve(s.T, backend)
	gateway := s.launch(harness.Example{Name: "gateway.yaml", Env: environment, Overlays: []string{`
extensions: {file_storage: {directory: "` + filepath.Join(s.T.TempDir(), "storage") + `"}}
receivers: {otlp: {protocols: {grpc: {endpoint: "` + address + `"}}}}
exporters: {otlp_http: {timeout: 2m}}
service: {telemetry: {metrics: {level: none}}}
`}})
	s.Await(gateway, "the gateway", func() bool { return strings.Contains(gateway.Log(), ready) })
	return gateway
}

// authority signs certificates.
type authority struct {
	t           *testing.T
	path        string // of its certificate, PEM
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, path: filepath.Join(t.TempDir(), "ca.pem")}
	a.certificate = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.key = newKey(t)
	a.sign(a.certificate, a.key, a.path)
	return a
}

// environment makes a certificate for a name or an address and returns the
// variables with which an example uses it.
func (a *authority) environment(name string) map[string]string {
	a.t.Helper()
	folder := a.t.TempDir()
	files := map[string]string{"TLS_CERT_FILE": filepath.Join(folder, "cert.pem"), "TLS_KEY_FILE": filepath.Join(folder, "key.pem"), "TLS_CA_FILE": a.path}
	key := newKey(a.t)
	certificate := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if ip := net.ParseIP(name); ip != nil {
		certificate.IPAddresses = []net.IP{ip}
	}
	a.sign(certificate, key, files["TLS_CERT_FILE"])
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(a.t, err)
	writePEM(a.t, files["TLS_KEY_FILE"], "PRIVATE KEY", der)
	return files
}

func (a *authority) sign(certificate *x509.Certificate, key *ecdsa.PrivateKey, path string) {
	a.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, certificate, a.certificate, key.Public(), a.key)
	require.NoError(a.t, err)
	writePEM(a.t, path, "CERTIFICATE", der)
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

func writePEM(t *testing.T, path, kind string, der []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
}
