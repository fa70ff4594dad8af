// SPDX-License-Identifier: Apache-2.0

package confcheck

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/confmap"
)

// config is a section with settings of several kinds.
type config struct {
	IDs      []int64                       `mapstructure:"ids"`
	Mode     string                        `mapstructure:"mode"`
	Interval time.Duration                 `mapstructure:"poll_interval"`
	Feed     configoptional.Optional[feed] `mapstructure:"feed"`
	Limits   limits                        `mapstructure:"limits"`
	More     more                          `mapstructure:",squash"`
	Ignored  string                        `mapstructure:"-"`
}

type feed struct {
	Lookback time.Duration `mapstructure:"lookback"`
}

type limits struct {
	Requests int `mapstructure:"requests"`
}

type more struct {
	Names []string `mapstructure:"names"`
}

// check checks what is written for a config.
func check(conf *confmap.Conf) ([]int64, Problems) {
	defaults := &config{Interval: time.Minute, Feed: configoptional.Default(feed{Lookback: time.Hour}), Limits: limits{Requests: 3}}
	return Check(conf, defaults, map[string][]string{"mode": {"fast", "slow"}})
}

func TestCheckTakesOutWhatCannotBeDecodedAndKeepsTheRest(t *testing.T) {
	conf := confmap.NewFromStringMap(map[string]any{
		"ids": []any{"437", "x", 552}, "mode": true, "poll-interval": "2m",
		"feed": map[string]any{"lookback": "1d"}, "limits": 5, "other": 1,
	})
	ids, problems := check(conf)
	require.Equal(t, []int64{437, 0, 552}, ids)
	var got []string
	for _, p := range problems {
		got = append(got, p.Path+" | "+p.Err.Error())
	}
	require.Equal(t, []string{
		`ids | ids[1]: "x" is not an ID; write digits only, e.g. 437`,
		`mode | mode: true is not known; use one of fast, slow`,
		`feed::lookback | feed::lookback: "1d" is not a duration; write 24h`,
		`limits | limits: 5 is not a section; write its settings below it, e.g. limits: {requests: 3}`,
		`other | other: no such setting; the settings there are ids, mode, poll_interval, feed, limits, names`,
		`poll-interval | poll-interval: no such setting; did you mean poll_interval?`,
	}, got)
	require.Equal(t, map[string]any{"poll_interval": "2m"}, conf.ToStringMap())
}

func TestCheckFindsNothingInWhatIsRight(t *testing.T) {
	written := map[string]any{
		"mode": "any text", "poll_interval": "2m", "feed": map[string]any{"enabled": true}, "limits": nil, "names": []any{"a"},
	}
	conf := confmap.NewFromStringMap(written)
	ids, problems := check(conf)
	require.Nil(t, ids)
	require.Empty(t, problems)
	require.Equal(t, written, conf.ToStringMap())
}

// Without the examples of the defaults nobody would know what to write.
func TestExamplesAreTheDefaultsOfSectionsThatAreOff(t *testing.T) {
	_, problems := check(confmap.NewFromStringMap(map[string]any{"feed": map[string]any{"lookback": "long"}, "poll_interval": 5}))
	require.EqualError(t, problems.Err(), "2 problems:\n  poll_interval: 5 has no unit; write e.g. 5s\n"+
		`  feed::lookback: "long" is not a duration; write e.g. 1h`)
}

func TestAValueUnderAMisspeltNameReplacesNoneUnderTheRightOne(t *testing.T) {
	conf := confmap.NewFromStringMap(map[string]any{"poll_interval": "1m", "poll_intervall": "2m"})
	_, problems := check(conf)
	require.EqualError(t, problems.Err(), "poll_intervall: no such setting; did you mean poll_interval?")
	require.Equal(t, map[string]any{"poll_interval": "1m"}, conf.ToStringMap())
}

func TestMostSimilarName(t *testing.T) {
	s := &setting{}
	for _, name := range []string{"interval", "alerts", "alert_feed", "collection_interval", "api"} {
		s.below = append(s.below, &setting{path: "change_feed::" + name})
	}
	for key, want := range map[string]string{
		"intervall": "interval", "Interval": "interval", "inter-val": "interval", "intrvl": "interval", "intrv": "",
		"alert": "alerts", "alertfeed": "alert_feed", "feed": "alert_feed", "collection": "collection_interval",
		"apo": "api", "app": "api", "a": "", "": "", "polling": "",
	} {
		var got string
		if meant := s.mostSimilar(key); meant != nil {
			got = meant.name()
		}
		require.Equal(t, want, got, key)
	}
}

func TestGuessDuration(t *testing.T) {
	for text, want := range map[string]string{
		"5 min": "5m", "5 Min.": "5m", "1d": "24h", "1.5 days": "36h", "pt5m": "5m", "P1D": "24h", "2 weeks": "336h", "90sec": "90s",
		" 1h 30m ": "1h30m", "250 msec": "250ms", "9999999 d": "239999976h",
		"": "", "often": "", "5 fortnights": "", "5": "", "5m30": "", "-5 min": "", "1,5 h": "",
	} {
		got, ok := guessDuration(text)
		require.Equal(t, want, got, text)
		require.Equal(t, want != "", ok, text)
	}
}

func TestShortDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		5 * time.Minute: "5m", time.Hour: "1h", 90 * time.Minute: "1h30m", 90 * time.Second: "1m30s", 0: "0s", time.Hour + time.Second: "1h0m1s",
	} {
		require.Equal(t, want, shortDuration(d))
	}
}

func TestPathsShowNoTextThatIsNoKey(t *testing.T) {
	for path, want := range map[string]string{
		"http::X-Key": "http::X-Key", "": `""`, "a::": `a::""`, "a b": `"a b"`, "a\nb::c": `"a\nb"::c`,
		strings.Repeat("k", 40): strings.Repeat("k", 40), strings.Repeat("k", 41): `"` + strings.Repeat("k", 24) + `"...`,
	} {
		require.Equal(t, want, showPath(path))
	}
}

func TestProblemsConcernASettingAndWhatIsAboveAndBelowIt(t *testing.T) {
	problems := Problems{{Path: "http::auth"}}
	for path, want := range map[string]bool{
		"http": true, "http::auth": true, "http::auth::authenticator": true, "http::authority": false, "http::tls": false, "auth": false,
	} {
		require.Equal(t, want, problems.Concern(path), path)
	}
}

func TestJoinTakesJoinedErrorsApart(t *testing.T) {
	one, two, three := errors.New("one"), errors.New("two"), errors.New("three")
	require.NoError(t, Join(nil, errors.Join(nil, nil), Problems(nil).Err()))
	require.Equal(t, one, Join(nil, errors.Join(one)))
	all := Join(Join(one, two), nil, errors.Join(three))
	require.EqualError(t, all, "3 problems:\n  one\n  two\n  three")
	require.ErrorIs(t, all, two)
	require.EqualError(t, Join(fmt.Errorf("a: %w", one), two), "2 problems:\n  a: one\n  two")
}
