package resilience_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/fixture"
)

// The ceilings of a start. docs/en/limits.md has them for operators. The CPU time is a measure of the work
// that does not depend on what else the machine does.
const (
	maxStartMemory = 64e6 // bytes, resident, at most since the start
	maxStartCPU    = 2 * time.Second
	maxStartThread = 24
)

// TestStartIsLight starts the program that users run, with a new and with an existing SQLite database, and
// measures what the start has cost when the gateway is ready. The processes of authentik grew to gigabytes
// after upgrades, unnoticed by its tests (goauthentik/authentik#10021, #18915).
func TestStartIsLight(t *testing.T) {
	t.Parallel()
	weigate, err := program()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	conf := filepath.Join(dir, "weigate.yaml")
	text := `url: http://127.0.0.1:1
listen: 127.0.0.1:0
metrics: ""
store: sqlite:weigate.db
wechat: [{name: main, kind: official_account, appid: wx0123456789abcdef, secret: a-secret}]
apps: [{id: wiki, kind: oidc, secret: another-secret-of-the-wiki-app-32, access: approved,
  redirect_uris: ["https://wiki.example.com/cb"]}]
`
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, database := range []string{"new", "existing"} {
		use := startCost(t, weigate, dir)
		t.Logf("%s database: %.1f MB resident, %s CPU time, %d threads", database, float64(use.memory)/1e6, use.cpu,
			use.threads)
		if use.memory > maxStartMemory || use.cpu > maxStartCPU || use.threads > maxStartThread {
			t.Errorf("%s database: %+v, want at most %.0f bytes, %s and %d threads", database, use, maxStartMemory,
				maxStartCPU, maxStartThread)
		}
	}
}

// cost is what a process has used until now.
type cost struct {
	memory  int64 // bytes, resident, at most
	cpu     time.Duration
	threads int
}

// startCost starts weigate serve in dir, measures it when it is ready, and ends it.
func startCost(t *testing.T, weigate, dir string) cost {
	t.Helper()
	cmd := exec.Command(weigate, "serve")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOMAXPROCS=4") // the runtime has threads and caches for each processor
	p := fixture.Serve(t, cmd)
	use, err := readCost(p.PID)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	return use
}

// readCost reads /proc. The unit of CPU time there is 10 ms on all architectures that Go supports.
func readCost(pid int) (use cost, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return use, err
	}
	number := func(name string) int64 {
		for line := range strings.Lines(string(status)) {
			if value, found := strings.CutPrefix(line, name+":"); found {
				n, _ := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
				return n
			}
		}
		return -1
	}
	use.memory, use.threads = number("VmHWM")*1024, int(number("Threads"))
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return use, err
	}
	_, rest, _ := strings.Cut(string(stat), ") ") // after the name of the program
	fields := strings.Fields(rest)
	for _, field := range fields[11:13] { // utime, stime
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return use, err
		}
		use.cpu += time.Duration(ticks) * 10 * time.Millisecond
	}
	return use, nil
}
