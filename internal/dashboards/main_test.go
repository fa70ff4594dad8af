package dashboards

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"
)

var (
	// collector is the path of the built collector; empty: what needs one, and
	// a Prometheus, is not run.
	collector string
	// picture is the file that TestPicture draws; empty: it is not run.
	picture string
	// shown is how long the picture's collector runs.
	shown time.Duration
)

func TestMain(m *testing.M) {
	flag.StringVar(&collector, "dashboards.collector", "", "absolute path of the built collector")
	flag.StringVar(&picture, "dashboards.picture", "", "absolute path of the picture to draw, and nothing else")
	flag.DurationVar(&shown, "dashboards.shown", 8*time.Minute, "how long a run the picture shows")
	flag.Parse()
	var err error
	switch {
	case picture != "":
		err = flag.Set("test.run", "^TestPicture$")
	case collector != "":
		err = flag.Set("test.skip", "^TestPicture$")
	default:
		err = flag.Set("test.skip", "^(TestPicture$|TestPrometheus|TestPromtool)")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "dashboards:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}
