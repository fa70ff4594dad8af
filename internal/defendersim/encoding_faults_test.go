// SPDX-License-Identifier: Apache-2.0

package defendersim

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func unzip(t *testing.T, body []byte) []byte {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(body))
	require.NoError(t, err)
	plain, err := io.ReadAll(r)
	require.NoError(t, err)
	return plain
}

func inflate(t *testing.T, body []byte) []byte {
	t.Helper()
	r, err := zlib.NewReader(bytes.NewReader(body))
	require.NoError(t, err)
	plain, err := io.ReadAll(r)
	require.NoError(t, err)
	return plain
}

func TestOddEncodingsHoldTheRegularAnswer(t *testing.T) {
	for _, c := range []struct {
		fault, accept, coding string
		undo                  func(*testing.T, []byte) []byte
	}{
		{"bom", "", "", func(t *testing.T, body []byte) []byte {
			rest, found := bytes.CutPrefix(body, []byte("\xef\xbb\xbf"))
			assert.True(t, found)
			return rest
		}},
		{"coding-case", "gzip, deflate", "DEFLATE", inflate},
		{"coding-case", "gzip", "GZIP", unzip},
		{"coding-case", "", "GZIP", unzip},
		{"coding-stacked", "gzip, deflate", "deflate, gzip", func(t *testing.T, body []byte) []byte { return inflate(t, unzip(t, body)) }},
		{"coding-undeclared", "gzip, deflate", "", unzip},
	} {
		for _, showing := range showingCalls() {
			s := newSim(t, func(c *Config) { c.NoCompression = true })
			token := "Bearer " + s.TokenOf(showing.api)
			_, regular := call(t, s, http.MethodGet, showing.path, "Authorization", token)
			setFault(t, s, showing.where, c.fault)
			resp, body := call(t, s, http.MethodGet, showing.path, "Authorization", token, "Accept-Encoding", c.accept)
			assert.Equal(t, c.coding, resp.Header.Get("Content-Encoding"), c.fault)
			assert.Equal(t, string(regular), string(c.undo(t, body)), "%s of %s", c.fault, showing.path)
			assert.Equal(t, showing.where != AlertRequests, served(s), "%s of %s", c.fault, showing.path)
		}
	}
}
