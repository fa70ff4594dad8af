package defender

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
)

func FuzzDecode(f *testing.F) {
	f.Add(fixture(f, "incident.json"))
	f.Add(fixture(f, "redirected.json"))
	f.Add([]byte(`{"incidentId":2}`))
	f.Add([]byte(`{"incidentId":1,"alerts":[{"alertId":"a"},{"alertId":"a"}]}`))
	f.Add([]byte(withAlerts(200, 0)))
	f.Add([]byte(`{"incidentId":1,"it":[1e400,9223372036854775808,-0.0,"\ud83d\ude00",{"":null}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		given := string(body)
		s, err := xdr().decode(1, body)
		assert.Equal(t, given, string(body), "the body, which may be emitted, was changed")
		again, errAgain := xdr().decode(1, []byte(given))
		assert.Equal(t, err, errAgain)
		assert.Equal(t, s, again)
		if err != nil {
			require.Nil(t, s)
			return
		}

		require.True(t, json.Valid(body))
		assert.EqualValues(t, 1, s.ID)
		id, ok := s.Object.Get("incidentId")
		require.True(t, ok)
		assert.Equal(t, pcommon.ValueTypeInt, id.Type())
		assert.Positive(t, id.Int())
		assert.GreaterOrEqual(t, s.SuccessorID, int64(0))
		assert.True(t, s.Merged || s.SuccessorID == 0)
		assert.LessOrEqual(t, len(s.Alerts), maxAlerts)
		seen := map[string]bool{}
		for _, alert := range s.Alerts {
			assert.NotEmpty(t, alert.ID)
			assert.False(t, seen[alert.ID], alert.ID)
			seen[alert.ID] = true
		}
	})
}
