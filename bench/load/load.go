// Package load starts "weigate serve" as a process beside a simulated WeChat, gives benchmarks
// browsers that sign in at it, and reads the memory and CPU time of the process from /proc, which
// exists on Linux only.
package load

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/weigate/weigate/wechat/wechattest"
)

// Secret is the secret of the connector and of the app.
const Secret = "not-a-secret-at-all"

// configured is the URL in the configuration of the gateway, which listens on another, free port.
const configured = "http://127.0.0.1:8080"

// Gateway is a process of "weigate serve", and a simulator of WeChat. Its methods can be called
// concurrently.
type Gateway struct {
	URL string // the address that the gateway listens on

	wechat      *wechattest.Server
	wechatURL   string
	appID       string
	pid         int
	stop        func()
	mu          sync.Mutex
	firstFailed error
}

// Config is what a benchmark chooses.
type Config struct {
	Program string // path of the program; "" builds this repository's
	Store   string // as in the configuration: postgres://… is an empty database; "" = SQLite
	Users   int    // the number of users that the simulated WeChat knows: UserID(0) to UserID(Users-1)
	Apps    string // the value of the key apps
	Push    bool   // the account has message push, and all users follow it
}

// UserID returns the id of a user at the simulated WeChat.
func UserID(i int) string { return "user-" + strconv.Itoa(i) }

// Start starts the gateway and the simulator in the folder dir. Stop ends them.
func Start(dir string, c Config) (*Gateway, error) {
	if c.Program == "" {
		c.Program = filepath.Join(dir, "weigate")
		if err := build(c.Program); err != nil {
			return nil, err
		}
	}
	if c.Store == "" {
		c.Store = "sqlite:weigate.db"
	}
	account := wechattest.App{AppID: "wx00000000000000f1", Secret: Secret, Name: "Bench", Domains: []string{"127.0.0.1"}}
	users := make([]wechattest.Person, c.Users)
	for i := range users {
		users[i] = wechattest.Person{ID: UserID(i), Nickname: UserID(i), Follows: []string{account.AppID}}
	}
	g := &Gateway{appID: account.AppID}
	var err error
	if g.wechat, err = wechattest.New(wechattest.Config{Apps: []wechattest.App{account}, People: users}); err != nil {
		return nil, err
	}
	front := httptest.NewServer(g.wechat)
	g.wechatURL = front.URL
	text := fmt.Sprintf("url: "+configured+`
listen: 127.0.0.1:0
metrics: ''
store: %q
wechat: [{name: main, kind: official_account, appid: %s, secret: %s, api: %s, open: %s%s}]
apps: %s
`,
		c.Store, account.AppID, Secret, front.URL, front.URL, pushOf(c), c.Apps)
	if c.Push {
		text += "trusted_proxies: [127.0.0.1]\n"
	}
	if err := os.WriteFile(filepath.Join(dir, "weigate.yaml"), []byte(text), 0o600); err != nil {
		return nil, err
	}
	cmd := exec.Command(c.Program, "serve")
	cmd.Dir = dir                                     // the log is discarded, because writing a file would be measured too
	cmd.Env = append(cmd.Environ(), "LC_ALL=C.UTF-8") // the output is read in English
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	g.pid = cmd.Process.Pid
	g.stop = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		front.Close()
		g.wechat.Close()
	}
	lines := bufio.NewScanner(out)
	for g.URL == "" && lines.Scan() {
		if f := strings.Fields(lines.Text()); len(f) == 3 && f[0] == "listens" {
			g.URL = f[2]
		}
	}
	if g.URL == "" {
		g.Stop()
		return nil, errors.New("weigate serve ended before it listened")
	}
	if c.Push {
		err = g.wechat.UpdateApp(g.appID, func(a *wechattest.App) {
			a.Push = wechattest.Push{URL: g.URL + "/wechat/push/main", Token: pushToken, AESKey: pushKey}
		})
	}
	return g, err
}

const (
	pushToken = "pushtoken1"
	pushKey   = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
)

// pushOf returns the key push of the connector.
func pushOf(c Config) string {
	if !c.Push {
		return ""
	}
	return fmt.Sprintf(", push: {token: %s, aes_key: %s, account_name: Bench, language: en}", pushToken, pushKey)
}

// SendText sends a text of a user to the account, and returns the reply.
func (g *Gateway) SendText(ctx context.Context, user, text string) (reply string, err error) {
	d, err := g.wechat.SendText(ctx, user, g.appID, text)
	return replyOf(d, err)
}

// ScanQR makes a user scan a QR code of the account, and returns the reply.
func (g *Gateway) ScanQR(ctx context.Context, user, link string) (reply string, err error) {
	d, err := g.wechat.ScanQR(ctx, user, link)
	return replyOf(d, err)
}

func replyOf(d wechattest.Delivery, err error) (string, error) {
	if err == nil && d.Failure != "" {
		err = errors.New(d.Failure)
	}
	return d.Reply, err
}

func build(program string) error {
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/weigate/weigate").Output()
	if err != nil {
		return fmt.Errorf("go list, which must run in the folder bench: %w", err)
	}
	cmd := exec.Command("go", "build", "-o", program, "./cmd/weigate")
	cmd.Dir = strings.TrimSpace(string(root))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}

// Stop kills the gateway and closes the simulator.
func (g *Gateway) Stop() { g.stop() }

// Fail stores the first failure; nil is not one.
func (g *Gateway) Fail(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.firstFailed == nil {
		g.firstFailed = err
	}
}

// Failed returns the first failure.
func (g *Gateway) Failed() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.firstFailed
}

// Cost is the memory and CPU of the process of the gateway.
type Cost struct {
	MB      float64 // resident memory in millions of bytes
	Percent float64 // CPU time, in percent of one core
	Seconds float64 // the time that was measured
}

// Measure calls work, which returns at the time that it is given, and measures the gateway
// meanwhile. A nil work waits.
func (g *Gateway) Measure(d time.Duration, work func(until time.Time)) (c Cost, err error) {
	before, err := Used(g.pid)
	if err != nil {
		return c, err
	}
	began := time.Now()
	if work == nil {
		time.Sleep(d)
	} else {
		work(began.Add(d))
	}
	c.Seconds = time.Since(began).Seconds()
	after, err := Used(g.pid)
	if err != nil {
		return c, err
	}
	c.Percent = (after - before).Seconds() / c.Seconds * 100
	c.MB, err = Resident(g.pid)
	return c, err
}

// Used reads the CPU time that a process has had, in /proc's ticks of 10 ms.
func Used(pid int) (time.Duration, error) {
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

var vmRSS = regexp.MustCompile(`(?m)^VmRSS:\s+(\d+) kB`)

// Resident returns the resident memory of a process, including the pages of its program, in units
// of a million bytes.
func Resident(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	m := vmRSS.FindSubmatch(text)
	if m == nil {
		return 0, errors.New("no VmRSS in /proc")
	}
	kb, err := strconv.Atoi(string(m[1]))
	return float64(kb) * 1024 / 1e6, err
}
