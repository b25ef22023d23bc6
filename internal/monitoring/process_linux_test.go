package monitoring

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/weigate/weigate/internal/fixture"
)

// causeFaultsOfTheProcess causes faults of a process "weigate serve" and of its scrape
// job, and evaluates the rules with what a scrape returned before and after.
func causeFaultsOfTheProcess(t *testing.T, fired *firedAlerts) {
	t.Helper()
	program, err := fixture.Program(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	const startTime = "process_start_time_seconds"
	p := newProcess(t, program)
	starts := []float64{p.start(1024)[startTime]}
	for range 3 {
		p.last.Kill()
		starts = append(starts, p.start(1024)[startTime])
	}
	restarts := fmt.Sprintf("0x6 %f %f %f %[3]fx30", starts[1]-starts[0], starts[2]-starts[0], starts[3]-starts[0])
	oneRestart := fmt.Sprintf("0x6 %fx30", starts[1]-starts[0])
	running := p.answers()
	p.last.Kill()
	killed := p.answers()

	// The unit has a LimitNOFILE that is too small for the connections: 55 of 60 files are open. A start
	// opens about 15.
	opened := p.start(60)["process_open_fds"]
	p.connect(55 - int(opened))
	few := p.scrape()
	p.last.Kill()
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
	fired.check(t, "1m", scenarios)
}

// gatewayProcess is a process "weigate serve" with metrics.
type gatewayProcess struct {
	t       *testing.T
	program string
	dir     string
	last    *fixture.Process // of the last start
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
func (p *gatewayProcess) start(files int) map[string]float64 {
	p.t.Helper()
	cmd := exec.Command("sh", "-c", `ulimit -n "$0" && exec "$1" serve`, strconv.Itoa(files), p.program)
	cmd.Dir = p.dir
	p.last = fixture.Serve(p.t, cmd)
	return p.scrape()
}

// connect opens a number of connections to the listener of the metrics, below its limit of 64. They
// stay open until the test or the process ends.
func (p *gatewayProcess) connect(connections int) {
	p.t.Helper()
	u, err := url.Parse(p.last.Metrics)
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
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.last.Metrics, nil)
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
