// SPDX-License-Identifier: Apache-2.0

//go:build unix

package cluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// authority is a certificate authority that lives as long as its test.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	next int64 // serial number
}

// newAuthority returns a certificate authority.
func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{next: 2}
	a.key = newKey(t)
	a.cert = sign(t, &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}, nil, &a.key.PublicKey, a.key)
	return a
}

// server returns the certificate of a server at 127.0.0.1.
func (a *authority) server(t *testing.T) (cert, key []byte) {
	t.Helper()
	return a.issue(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "kube-apiserver"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
}

// user returns the certificate of a user of Kubernetes, who is in these groups.
func (a *authority) user(t *testing.T, name string, groups ...string) tls.Certificate {
	t.Helper()
	cert, key := a.issue(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: name, Organization: groups}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	pair, err := tls.X509KeyPair(cert, key)
	require.NoError(t, err)
	return pair
}

// pool trusts this authority alone.
func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// pem returns the certificate of the authority.
func (a *authority) pem() []byte { return certPEM(a.cert) }

func (a *authority) issue(t *testing.T, template *x509.Certificate) (cert, key []byte) {
	t.Helper()
	made := newKey(t)
	template.SerialNumber = big.NewInt(a.next)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	a.next++
	return certPEM(sign(t, template, a.cert, &made.PublicKey, a.key)), keyPEM(t, made)
}

// sign makes a certificate; without a parent it signs itself.
func sign(t *testing.T, template, parent *x509.Certificate, public *ecdsa.PublicKey, signer *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, signer)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return cert
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

func certPEM(cert *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
}

func keyPEM(t *testing.T, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.MarshalECPrivateKey(key)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
}
