// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/seed2514a141/defenderincidentsreceiver/internal/harness"
)

func TestAnotherCauseOfAFailedSignInIsLoggedOnceWithItsAdvice(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(5))
		h.Auth.Fail(errors.New(`oauth2: "temporarily_unavailable" "AADSTS90033: A transient error has occurred. Trace ID: 1"`))
		h.Start()
		harness.Sleep(10 * time.Second)
		h.Auth.Fail(errors.New(`oauth2: "invalid_client" "AADSTS7000222: The provided client secret keys are expired. Trace ID: 2"`))
		harness.Sleep(24 * time.Hour)
		h.Stop()

		lines := h.Logs.FilterLevelExact(zap.ErrorLevel).All()
		require.Len(t, lines, 2)
		require.Equal(t, msgNoToken, lines[0].Message)
		require.Equal(t, "no token: AADSTS90033", lines[0].ContextMap()["error"])
		require.Contains(t, lines[0].ContextMap()["advice"], "Nothing to do: ")
		require.Equal(t, "requests still fail, now with another error", lines[1].Message)
		require.Equal(t, "no token: AADSTS7000222", lines[1].ContextMap()["error"])
		require.Contains(t, lines[1].ContextMap()["advice"], "Create a new client secret")
		require.NotContains(t, lines[1].ContextMap(), "permission_needed")
	})
}

func TestARevokedTokenIsLoggedWithTheEndOfItsLife(t *testing.T) {
	harness.Run(t, func(t *testing.T) {
		h := harness.New(t, harness.OneAlert(5))
		h.Auth.Use(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			response, err := next.RoundTrip(r)
			if err == nil {
				_ = response.Body.Close()
				response.StatusCode, response.Body, response.ContentLength = http.StatusUnauthorized, http.NoBody, 0
				response.Header.Set("WWW-Authenticate", `Bearer error="insufficient_claims", claims="hush"`)
			}
			return response, err
		})
		h.Start()
		harness.Sleep(10 * time.Minute)
		h.Stop()
		lines := h.Logs.FilterLevelExact(zap.ErrorLevel).All()
		require.Len(t, lines, 1)
		require.Equal(t, msgDenied, lines[0].Message)
		fields := lines[0].ContextMap()
		expires := fields["token_expires"].(time.Time).Format(time.RFC3339)
		require.Contains(t, fields["advice"], "keeps sending it until it expires at "+expires)
		require.NotContains(t, fields["advice"], "licence")
	})
}
