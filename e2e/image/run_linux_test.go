// SPDX-License-Identifier: Apache-2.0

package image

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed2514a141/defenderincidentsreceiver/e2e/harness"
	"github.com/seed2514a141/defenderincidentsreceiver/internal/defendersim"
)

const (
	timeLimit = 2 * time.Minute
	user      = 10001
	storage   = "/var/lib/otelcol-defender"
)

// container is the image's root file system, set up as a container runtime does
// it: /proc, a volume, a read-only directory with the configuration, and all else
// read-only.
type container struct {
	*harness.Harness
	image   image
	root    string
	config  string // directory that is mounted at /etc/otelcol-defender
	process *harness.Program
}

func newContainer(h *harness.Harness) *container {
	h.T.Helper()
	c := &container{Harness: h, image: describe(h.T), root: filepath.Join(h.T.TempDir(), "root"), config: h.T.TempDir()}
	require.NoError(h.T, os.CopyFS(c.root, os.DirFS(root)))
	c.mount(c.root, "", "", syscall.MS_BIND)
	c.mount("proc", "/proc", "proc", syscall.MS_NOSUID|syscall.MS_NODEV|syscall.MS_NOEXEC)
	volume := h.T.TempDir()
	require.NoError(h.T, os.Chown(volume, user, user))
	c.mount(volume, storage, "", syscall.MS_BIND)
	require.NoError(h.T, os.Chmod(c.config, 0o755))
	c.mount(c.config, "/etc/otelcol-defender", "", syscall.MS_BIND)
	c.mount("", "/etc/otelcol-defender", "", syscall.MS_REMOUNT|syscall.MS_BIND|syscall.MS_RDONLY)
	c.mount("", "", "", syscall.MS_REMOUNT|syscall.MS_BIND|syscall.MS_RDONLY|syscall.MS_NOSUID|syscall.MS_NODEV)
	return c
}

// mount mounts at a path in the container. It is unmounted at the end of the test.
func (c *container) mount(source, path, kind string, flags uintptr) {
	c.T.Helper()
	target := filepath.Join(c.root, path)
	remount := flags&syscall.MS_REMOUNT != 0
	if !remount {
		require.NoError(c.T, os.MkdirAll(target, 0o755))
	}
	require.NoError(c.T, syscall.Mount(source, target, kind, flags, ""), "mount %s %s", source, target)
	if !remount {
		c.T.Cleanup(func() { require.NoError(c.T, syscall.Unmount(target, syscall.MNT_DETACH)) })
	}
}

// start runs the image's own command, as its own user, without capabilities and
// without a way to get any.
func (c *container) start(s harness.Settings) {
	c.T.Helper()
	config, err := os.ReadFile(s.WriteConfig(c.T))
	require.NoError(c.T, err)
	require.NoError(c.T, os.WriteFile(filepath.Join(c.config, "config.yaml"), config, 0o644))
	args := []string{
		"--no-new-privs", "--bounding-set=-all,+sys_chroot,+setuid,+setgid", // what chroot needs; all end with the change of user
		"chroot", "--groups=", "--userspec=" + c.image.Config.User, c.root,
	}
	args = slices.Concat(args, c.image.Config.Entrypoint, c.image.Config.Cmd, []string{"--feature-gates=+extension.healthcheck.useComponentStatus"})
	path := []string{"PATH=" + os.Getenv("PATH")} // for chroot
	c.process = harness.Launch(c.Ctx, c.T, c.Notifier, path, "/usr/bin/setpriv", args...)
}

// statusOf returns the response status of a URL; 0: none.
func (c *container) statusOf(url string) int {
	c.T.Helper()
	request, err := http.NewRequestWithContext(c.Ctx, http.MethodGet, url, http.NoBody)
	require.NoError(c.T, err)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0
	}
	require.NoError(c.T, response.Body.Close())
	return response.StatusCode
}

func TestImageDeliversRecordsAndContinuesAfterARestart(t *testing.T) {
	population := defendersim.DefaultConfig()
	population.Incidents, population.AlertsPerIncident, population.MergedShare, population.ChangesPerHour = 5, 2, 0, 0
	population.PerMinute, population.PerHour = 6000, 60000
	h := harness.New(t, timeLimit, population)
	sink := harness.NewSink(h.Notifier)
	settings := h.Settings(harness.Serve(t, h.Sim), harness.Serve(t, sink))
	settings.Storage, settings.Health = storage, harness.FreeAddress(t)
	settings.RateLimit = fmt.Sprintf("{requests_per_minute: %d, requests_per_hour: %d}", population.PerMinute, population.PerHour)
	host, port, found := strings.Cut(harness.FreeAddress(t), ":")
	require.True(t, found)
	settings.MetricsHost, settings.MetricsPort = host, port

	c := newContainer(h)
	c.start(settings)
	const first = 5 * 3
	c.Await(c.process, "the first records", func() bool { return len(sink.Records()) == first })
	c.AwaitCycle(c.process, settings.IDs...)
	c.requireUnprivileged()
	c.Poll(c.process, "health", 50*time.Millisecond, func() bool { return c.statusOf("http://"+settings.Health+"/health") == http.StatusOK })
	require.Equal(t, http.StatusOK, c.statusOf("http://"+host+":"+port+"/metrics"))
	c.process.Stop(t)

	require.NoError(t, h.Sim.Update(settings.IDs[0], func(i *defendersim.Incident) { i.Status = defendersim.StatusResolved }))
	c.start(settings)
	c.AwaitCycle(c.process, settings.IDs...)
	c.process.Stop(t)
	require.Len(t, sink.Records(), first+1, "only the change; what was delivered is in the volume")
}

// requireUnprivileged checks what the kernel says of the process.
func (c *container) requireUnprivileged() {
	c.T.Helper()
	status := c.proc("status")
	for _, line := range []string{
		"Uid:\t10001\t10001\t10001\t10001", "Gid:\t10001\t10001\t10001\t10001", "Groups:\t ", "NoNewPrivs:\t1",
		"CapInh:\t0000000000000000", "CapPrm:\t0000000000000000", "CapEff:\t0000000000000000", "CapAmb:\t0000000000000000",
	} {
		require.Contains(c.T, status, "\n"+line+"\n")
	}
	var writable []string
	for line := range strings.Lines(c.proc("mountinfo")) {
		fields := strings.Fields(line) // proc(5): the mount point is the fifth, its options the sixth
		if !slices.Contains(strings.Split(fields[5], ","), "ro") {
			writable = append(writable, fields[4])
		}
	}
	require.ElementsMatch(c.T, []string{"/proc", storage}, writable, "only the volume can be written to")
}

// proc returns a file that the kernel has about the process.
func (c *container) proc(name string) string {
	c.T.Helper()
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(c.process.PID()), name))
	require.NoError(c.T, err)
	return string(text)
}
