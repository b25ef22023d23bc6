// Command gateway measures the gateway as an operator runs it, and prints a table: the size of the
// program, the time until it is ready, its memory when idle, and the complete logins a second on
// each store with each algorithm. README.md describes how to read it.
//
// It runs on Linux: it reads the memory from /proc.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weigate/weigate/bench/load"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "gateway:", err)
		os.Exit(1)
	}
}

// row is a line of the table.
type row struct{ what, got, aim, verdict string }

func run() error {
	starts := flag.Int("starts", 11, "how often the program is started")
	idle := flag.Duration("idle", 3*time.Second, "how long it is left alone before its memory is read")
	benchtime := flag.String("benchtime", "3s", "how long each benchmark of logins runs; 0 leaves them out")
	flag.Parse()
	dir, err := os.MkdirTemp("", "weigate-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/weigate/weigate").Output()
	if err != nil {
		return fmt.Errorf("go list, which wants the folder bench: %w", err)
	}
	b := bench{dir: dir, root: strings.TrimSpace(string(root))}
	rows, err := b.program()
	if err != nil {
		return err
	}
	more, err := b.starts(*starts, *idle)
	if err != nil {
		return err
	}
	rows = append(rows, more...)
	if *benchtime != "0" {
		if more, err = b.logins(*benchtime); err != nil {
			return err
		}
		rows = append(rows, more...)
		if more, err = b.verify(*benchtime); err != nil {
			return err
		}
		rows = append(rows, more...)
	}
	fmt.Println("| what | measured | aim | |\n|---|---:|---:|---|")
	for _, r := range rows {
		fmt.Printf("| %s | %s | %s | %s |\n", r.what, r.got, r.aim, r.verdict)
	}
	return nil
}

type bench struct {
	dir  string // temporary, for the program and its files
	root string // the repository
}

func verdict(ok bool) string {
	if ok {
		return "ok"
	}
	return "missed"
}

// program builds weigate with the flags of a release.
func (b *bench) program() ([]row, error) {
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", filepath.Join(b.dir, "weigate"),
		"./cmd/weigate")
	build.Dir = b.root
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build: %w\n%s", err, out)
	}
	info, err := os.Stat(filepath.Join(b.dir, "weigate"))
	if err != nil {
		return nil, err
	}
	mb := float64(info.Size()) / 1e6
	return []row{{"program, stripped", fmt.Sprintf("%.1f MB", mb), "≤ 25 MB", verdict(mb <= 25)}}, nil
}

const configuration = `
url: http://127.0.0.1:8080
listen: 127.0.0.1:0
metrics: 127.0.0.1:0
store: sqlite:weigate.db
wechat: [{name: main, kind: official_account, appid: wx0123456789abcdef, secret: not-a-secret-at-all}]
apps:
  - id: sample
    kind: oidc
    name: Sample
    secret: not-a-secret-either
    redirect_uris: ["http://127.0.0.1:1/callback"]
    access: signed_in
`

// starts starts the gateway several times on a database that contains signing keys, and reads the
// memory of each process.
func (b *bench) starts(n int, idle time.Duration) ([]row, error) {
	if err := os.WriteFile(filepath.Join(b.dir, "weigate.yaml"), []byte(configuration), 0o600); err != nil {
		return nil, err
	}
	if _, err := b.start(0); err != nil { // creates the keys
		return nil, err
	}
	var ready, busy []time.Duration
	var memory []float64
	for i := range n {
		wait := time.Duration(0)
		if i < 3 {
			wait = idle // a few are enough, because memory hardly differs
		}
		s, err := b.start(wait)
		if err != nil {
			return nil, err
		}
		ready, busy = append(ready, s.ready), append(busy, s.cpu)
		if wait > 0 {
			memory = append(memory, s.mb)
		}
	}
	slices.Sort(ready)
	slices.Sort(busy)
	median := ready[len(ready)/2]
	rows := []row{{
		fmt.Sprintf("start to /readyz, SQLite, keys made (median of %d; %d to %d ms; %d ms of CPU)", n,
			ready[0].Milliseconds(), ready[n-1].Milliseconds(), busy[n/2].Milliseconds()),
		fmt.Sprintf("%d ms", median.Milliseconds()), "≤ 100 ms", verdict(median <= 100*time.Millisecond),
	}}
	if len(memory) > 0 {
		most := slices.Max(memory)
		rows = append(rows, row{fmt.Sprintf("resident memory, %s after the start", idle), fmt.Sprintf("%.1f MB", most),
			"≤ 30 MB", verdict(most <= 30)})
	}
	return rows, nil
}

// started has the measurements of one start.
type started struct {
	ready time.Duration
	cpu   time.Duration // until ready, accurate to 10 ms; does not depend on the load of the machine
	mb    float64       // resident, after an idle period
}

// start starts the gateway, waits until it is ready, lets it idle, reads its memory and stops it.
func (b *bench) start(idle time.Duration) (s started, err error) {
	cmd := exec.Command(filepath.Join(b.dir, "weigate"), "serve")
	cmd.Dir = b.dir
	cmd.Env = append(cmd.Environ(), "LC_ALL=C.UTF-8") // the output is read in English
	out, err := cmd.StdoutPipe()
	if err != nil {
		return s, err
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return s, err
	}
	defer func() {
		_ = cmd.Process.Signal(os.Interrupt)
		err = errors.Join(err, cmd.Wait())
	}()
	lines := bufio.NewScanner(out)
	address := ""
	for address == "" && lines.Scan() {
		if f := strings.Fields(lines.Text()); len(f) == 3 && f[0] == "listens" {
			address = f[2]
		}
	}
	if address == "" {
		return s, errors.New("weigate serve ended before it listened")
	}
	if err := get(address + "/readyz"); err != nil {
		return s, err
	}
	s.ready = time.Since(began)
	if s.cpu, err = load.Used(cmd.Process.Pid); err != nil {
		return s, err
	}
	if idle > 0 {
		time.Sleep(idle)
		s.mb, err = load.Resident(cmd.Process.Pid)
	}
	return s, err
}

func get(address string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", address, res.Status)
	}
	return nil
}

var (
	loginLine     = regexp.MustCompile(`(?m)^BenchmarkLogin/(\w+)/(\w+)\S*\s+\d+\s+([\d.]+) ns/op.*?([\d.]+) logins/s`)
	signatureLine = regexp.MustCompile(`(?m)^BenchmarkSignature/RS256\S*\s+\d+\s+([\d.]+) ns/op`)
)

// logins runs the benchmarks of package oidc: complete logins on each store, and one signature,
// which is the lower bound of a login.
func (b *bench) logins(benchtime string) ([]row, error) {
	rows, _, err := b.benchmark(benchtime, "BenchmarkLogin/(sqlite|postgres)")
	if err != nil {
		return nil, err
	}
	_, one, err := b.benchmark(benchtime, "BenchmarkLogin/memory/RS256|BenchmarkSignature/RS256", "-cpu", "1")
	if err != nil {
		return nil, err
	}
	times := one["login"] / one["signature"]
	return append(rows, row{
		fmt.Sprintf("CPU of an RS256 login, on one core without a database (%.2f ms), in signatures (%.2f ms)",
			one["login"]/1e6, one["signature"]/1e6),
		fmt.Sprintf("%.2f", times), "≤ 2", verdict(times <= 2),
	}), nil
}

func (b *bench) benchmark(benchtime, pattern string, more ...string) (rows []row, ns map[string]float64, err error) {
	cmd := exec.Command("go",
		append([]string{"test", "-run", "^$", "-bench", pattern, "-benchtime", benchtime, "-timeout", "10m",
			"./internal/oidc/"}, more...)...)
	cmd.Dir = b.root
	out, err := cmd.CombinedOutput()
	if err != nil { // a login that fails fails the benchmark
		return nil, nil, fmt.Errorf("go test -bench %s: %w\n%s", pattern, err, out)
	}
	ns = map[string]float64{}
	for _, m := range loginLine.FindAllSubmatch(out, -1) {
		store, alg := string(m[1]), string(m[2])
		perSecond, err := strconv.ParseFloat(string(m[4]), 64)
		if err != nil {
			return nil, nil, err
		}
		if ns["login"], err = strconv.ParseFloat(string(m[3]), 64); err != nil {
			return nil, nil, err
		}
		aim := map[string]float64{"RS256": 550, "ES256": 1800}[alg]
		rows = append(rows, row{"whole logins, " + store + ", " + alg, fmt.Sprintf("%.0f a second", perSecond),
			fmt.Sprintf("≥ %.0f", aim), verdict(perSecond >= aim)})
	}
	if m := signatureLine.FindSubmatch(out); m != nil {
		if ns["signature"], err = strconv.ParseFloat(string(m[1]), 64); err != nil {
			return nil, nil, err
		}
	}
	if len(rows) == 0 {
		return nil, nil, fmt.Errorf("go test -bench %s measured nothing:\n%s", pattern, out)
	}
	return rows, ns, nil
}

var verifyLine = regexp.MustCompile(`(?m)^BenchmarkVerify/(\w+)\S*\s+\d+\s+[\d.]+ ns/op\s+([\d.]+) checks/cpu-s`)

// verify runs the benchmark of /verify on one core, alternating between the complete gateway and a
// handler that does only the necessary work.
func (b *bench) verify(benchtime string) ([]row, error) {
	cmd := exec.Command("go", "test", "-run", "^$", "-bench", "BenchmarkVerify", "-benchtime", benchtime, "-count", "3",
		"-cpu", "1", "-timeout", "10m", "./internal/app/")
	cmd.Dir = b.root
	out, err := cmd.CombinedOutput()
	if err != nil { // an answer that is not 200 fails the benchmark
		return nil, fmt.Errorf("go test -bench BenchmarkVerify: %w\n%s", err, out)
	}
	measured := map[string][]float64{}
	for _, m := range verifyLine.FindAllSubmatch(out, -1) {
		perSecond, err := strconv.ParseFloat(string(m[2]), 64)
		if err != nil {
			return nil, err
		}
		measured[string(m[1])] = append(measured[string(m[1])], perSecond)
	}
	ours, bare := measured["gateway"], measured["bare"]
	if len(ours) != 3 || len(bare) != 3 {
		return nil, fmt.Errorf("go test -bench BenchmarkVerify measured too little:\n%s", out)
	}
	slices.Sort(ours)
	slices.Sort(bare)
	part := ours[1] / bare[1]
	return []row{{
		fmt.Sprintf("/verify with a valid session, in a second of one core (median of 3), beside a bare handler (%.0f)",
			bare[1]),
		fmt.Sprintf("%.0f, %.0f %%", ours[1], 100*part), "≥ 80 %", verdict(part >= 0.8),
	}}, nil
}
