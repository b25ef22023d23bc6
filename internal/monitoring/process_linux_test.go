package monitoring

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/fixture"
)

// TestFaultsOfTheProcessFireTheirAlerts causes faults of a process "weigate serve" and of its scrape
// job, and evaluates the rules with what a scrape returned before and after.
func TestFaultsOfTheProcessFireTheirAlerts(t *testing.T) {
	t.Parallel()
	program, err := fixture.Program(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	const startTime = "process_start_time_seconds"
	p := newProcess(t, program)
	starts := []float64{p.start("1024")[startTime]}
	for range 3 {
		p.kill()
		starts = append(starts, p.start("1024")[startTime])
	}
	restarts := fmt.Sprintf("0x6 %f %f %f %[3]fx30", starts[1]-starts[0], starts[2]-starts[0], starts[3]-starts[0])
	oneRestart := fmt.Sprintf("0x6 %fx30", starts[1]-starts[0])
	running := p.answers()
	p.kill()
	killed := p.answers()

	// The unit has a LimitNOFILE that is too small for the connections. A start opens about 15 files, so
	// about 55 of 60 are open.
	p.start("60")
	p.connect(38)
	few := p.scrape()
	p.kill()
	const gauge = `{job="weigate",instance="a"}`
	var scenarios []scenario
	for _, c := range []struct {
		name   string
		series []series
		fires  []string
	}{
		{"the process runs", []series{{up.Series, running + "x30"}}, nil},
		{"the process was killed", []series{{up.Series, running + "x5 " + killed + "x30"}}, []string{"WeigateDown"}},
		{"the scrape job has another name", []series{{`up{job="sso",instance="a"}`, running + "x30"}},
			[]string{"WeigateAbsent"}},
		{"the process restarts three times", []series{up, {startTime + gauge, restarts}}, []string{"WeigateRestarting"}},
		{"the process restarts once", []series{up, {startTime + gauge, oneRestart}}, nil},
		{"the process may open few files more", []series{up,
			{"process_open_fds" + gauge, fmt.Sprintf("%fx30", few["process_open_fds"])},
			{"process_max_fds" + gauge, fmt.Sprintf("%fx30", few["process_max_fds"])}}, []string{"WeigateFileDescriptors"}},
	} {
		scenarios = append(scenarios, scenario{name: c.name, step: "1m", at: "15m", alerts: c.fires, series: c.series})
	}
	checkScenarios(t, "1m", scenarios)
}

// gatewayProcess is a process "weigate serve" with metrics.
type gatewayProcess struct {
	t       *testing.T
	program string
	dir     string
	cmd     *exec.Cmd
	metrics string // the address of the metrics of the last start
}

func newProcess(t *testing.T, program string) *gatewayProcess {
	t.Helper()
	p := &gatewayProcess{t: t, program: program, dir: t.TempDir()}
	text := "url: http://127.0.0.1:8080\nlisten: 127.0.0.1:0\nmetrics: 127.0.0.1:0\nwechat: [{name: main, " +
		"kind: official_account, appid: wx0123456789abcdef, secret: not-used, api: \"http://127.0.0.1:1\"}]\napps: []\n"
	if err := os.WriteFile(filepath.Join(p.dir, "weigate.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

// start starts the process, which may open a number of files, and returns the samples of its metrics
// by series.
func (p *gatewayProcess) start(files string) map[string]float64 {
	p.t.Helper()
	p.cmd = exec.CommandContext(p.t.Context(), "sh", "-c", `ulimit -n "$0" && exec "$1" serve`, files, p.program)
	p.cmd.Dir, p.cmd.SysProcAttr = p.dir, fixture.ChildAttributes()
	out, err := p.cmd.StdoutPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		p.t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if words := strings.Fields(lines.Text()); len(words) == 2 && words[0] == "metrics" {
			p.metrics = words[1]
		}
		if strings.HasPrefix(lines.Text(), "Ctrl-C") {
			return p.scrape()
		}
	}
	p.t.Fatal("weigate serve does not start")
	return nil
}

// connect opens a number of connections to the listener of the metrics, below its limit of 64. They
// stay open until the test or the process ends.
func (p *gatewayProcess) connect(connections int) {
	p.t.Helper()
	u, err := url.Parse(p.metrics)
	if err != nil {
		p.t.Fatal(err)
	}
	for range connections {
		var dialer net.Dialer
		c, err := dialer.DialContext(p.t.Context(), "tcp", u.Host)
		if err != nil {
			p.t.Fatal(err)
		}
		p.t.Cleanup(func() { c.Close() })
	}
}

// kill kills the process, as the kernel does when the memory is full.
func (p *gatewayProcess) kill() {
	p.t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		p.t.Fatal(err)
	}
	_ = p.cmd.Wait() // it was killed
}

// answers returns the value that Prometheus gives the series up: 1 if the process answers a scrape, or else 0.
func (p *gatewayProcess) answers() string {
	p.t.Helper()
	res, err := p.get()
	if err != nil {
		return "0"
	}
	res.Body.Close()
	return "1"
}

func (p *gatewayProcess) get() (*http.Response, error) {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.metrics, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	// Each request has a connection of its own, which the process accepts after all earlier ones.
	r.Close = true
	return http.DefaultClient.Do(r)
}

// scrape returns the samples that Prometheus would read, by series.
func (p *gatewayProcess) scrape() map[string]float64 {
	p.t.Helper()
	res, err := p.get()
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	samples, err := readSamples(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return samples
}
