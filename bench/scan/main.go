// Command scan measures the sign-in of desktops by phones while a thousand other desktops wait, and
// prints a table: the memory and CPU that waiting costs, and the complete sign-ins a second at the
// same time. README.md describes how to read it.
//
// The gateway runs as "weigate serve"; WeChat, the desktops and the phones are in this process. It
// runs on Linux: it reads /proc.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weigate/weigate/wechat/wechattest"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "scan:", err)
		os.Exit(1)
	}
}

func run() error {
	store := flag.String("store", "sqlite:weigate.db",
		"the store, as in the configuration: postgres://… for PostgreSQL, an empty database")
	waiting := flag.Int("waiting", 1000, "how many desktops wait")
	busy := flag.Duration("for", 10*time.Second, "how long is measured")
	workers := flag.Int("workers", 16, "how many desktops sign in at once")
	phones := flag.Int("phones", 500, "how many phones they have, which take turns")
	flag.Parse()
	dir, err := os.MkdirTemp("", "weigate-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	g, err := startGateway(dir, *store, *phones)
	if err != nil {
		return err
	}
	defer g.stop()
	g.poolOfPhones(*phones)
	if err := g.failed(); err != nil {
		return err
	}

	idle, err := g.measure(*busy, nil)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for range *waiting {
		if err := g.wait(ctx); err != nil {
			return err
		}
	}
	time.Sleep(2 * time.Second)
	calm, err := g.measure(*busy, nil)
	if err != nil {
		return err
	}
	var done atomic.Int64
	full, err := g.measure(*busy, func(until time.Time) {
		var all sync.WaitGroup
		for range *workers {
			all.Go(func() {
				for time.Now().Before(until) && g.failed() == nil {
					g.note(g.signIn())
					done.Add(1)
				}
			})
		}
		all.Wait()
	})
	if err := errors.Join(err, g.failed()); err != nil {
		return err
	}
	name, _, _ := strings.Cut(*store, ":")
	fmt.Printf("| %s | memory | CPU |\n|---|---:|---:|\n", name)
	fmt.Printf("| no desktop waits | %.1f MB | %.1f %% of one core |\n", idle.mb, idle.percent)
	fmt.Printf("| %d desktops wait | %.1f MB | %.1f %% of one core |\n", *waiting, calm.mb, calm.percent)
	fmt.Printf("| %d desktops wait, %.0f others a second sign in (%d, no failure) | %.1f MB | %.1f %% of one core |\n",
		*waiting, float64(done.Load())/full.seconds, done.Load(), full.mb, full.percent)
	return nil
}

// gateway is a process of "weigate serve", and a simulator of WeChat.
type gateway struct {
	wx      *wechattest.Server
	wechat  string
	appID   string
	url     string
	cmd     *exec.Cmd
	stop    func()
	phones  chan *browser
	mu      sync.Mutex
	problem error
}

const secret = "not-a-secret-at-all"

func startGateway(dir, store string, people int) (*gateway, error) {
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/weigate/weigate").Output()
	if err != nil {
		return nil, fmt.Errorf("go list, which wants the folder bench: %w", err)
	}
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "weigate"), "./cmd/weigate")
	build.Dir = strings.TrimSpace(string(root))
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build: %w\n%s", err, out)
	}
	account := wechattest.App{AppID: "wx00000000000000f1", Secret: secret, Name: "Bench", Domains: []string{"127.0.0.1"}}
	all := make([]wechattest.Person, people)
	for i := range all {
		all[i] = wechattest.Person{ID: personID(i), Nickname: personID(i)}
	}
	g := &gateway{appID: account.AppID, phones: make(chan *browser, people)}
	if g.wx, err = wechattest.New(wechattest.Config{Apps: []wechattest.App{account}, People: all}); err != nil {
		return nil, err
	}
	front := httptest.NewServer(g.wx)
	g.wechat = front.URL
	text := fmt.Sprintf(`url: `+configured+`
listen: 127.0.0.1:0
metrics: ''
store: %q
wechat: [{name: main, kind: official_account, appid: %s, secret: %s, api: %s, open: %s}]
apps: []
`,
		store, account.AppID, secret, front.URL, front.URL)
	if err := os.WriteFile(filepath.Join(dir, "weigate.yaml"), []byte(text), 0o600); err != nil {
		return nil, err
	}
	g.cmd = exec.Command(filepath.Join(dir, "weigate"), "serve")
	g.cmd.Dir = dir // the log is discarded, because writing a file would be measured too
	out, err := g.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := g.cmd.Start(); err != nil {
		return nil, err
	}
	g.stop = func() {
		_ = g.cmd.Process.Kill()
		_ = g.cmd.Wait()
		front.Close()
		g.wx.Close()
	}
	lines := bufio.NewScanner(out)
	for g.url == "" && lines.Scan() {
		if f := strings.Fields(lines.Text()); len(f) == 3 && f[0] == "listens" {
			g.url = f[2]
		}
	}
	if g.url == "" {
		g.stop()
		return nil, errors.New("weigate serve ended before it listened")
	}
	return g, nil
}

func personID(i int) string { return "person-" + strconv.Itoa(i) }

// note stores the first failure.
func (g *gateway) note(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.problem == nil {
		g.problem = err
	}
}

func (g *gateway) failed() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.problem
}

// cost is the memory and CPU of the process of the gateway.
type cost struct{ mb, percent, seconds float64 }

func (g *gateway) measure(d time.Duration, work func(until time.Time)) (c cost, err error) {
	before, err := used(g.cmd.Process.Pid)
	if err != nil {
		return c, err
	}
	began := time.Now()
	if work == nil {
		time.Sleep(d)
	} else {
		work(began.Add(d))
	}
	c.seconds = time.Since(began).Seconds()
	after, err := used(g.cmd.Process.Pid)
	if err != nil {
		return c, err
	}
	c.percent = (after - before).Seconds() / c.seconds * 100
	c.mb, err = resident(g.cmd.Process.Pid)
	return c, err
}

// used reads the CPU time that a process has had, in /proc's ticks of 10 ms.
func used(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), ") ") // after the name
	f := strings.Fields(rest)
	if len(f) < 13 {
		return 0, errors.New("/proc/…/stat is short")
	}
	user, err1 := strconv.Atoi(f[11])
	system, err2 := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond, errors.Join(err1, err2)
}

func resident(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, rest, found := strings.Cut(string(text), "VmRSS:")
	f := strings.Fields(rest)
	if !found || len(f) == 0 {
		return 0, errors.New("no VmRSS in /proc")
	}
	kb, err := strconv.ParseFloat(f[0], 64)
	return kb / 1000, err
}
