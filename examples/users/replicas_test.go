package main

import (
	"bytes"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/internal/store/postgres/postgrestest"
	"github.com/weigate/weigate/wechat/wechattest"
)

const appID = "wx0123456789abcdef"

// replicas are two processes of the app with one database, behind nginx with the configuration of this
// folder.
type replicas struct {
	t        *testing.T
	url      string // of nginx
	binary   string
	env      []string
	args     []string
	sim      *wechattest.Server
	mu       sync.Mutex
	output   bytes.Buffer
	commands map[string]*exec.Cmd // by address
}

// Write collects the output of the processes.
func (r *replicas) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.output.Write(b)
}

// startReplicas builds the app, and starts two processes of it, nginx and the simulator.
func startReplicas(t *testing.T) *replicas {
	t.Helper()
	r := &replicas{t: t, binary: filepath.Join(t.TempDir(), "users"), commands: map[string]*exec.Cmd{}}
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", r.binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var err error
	r.sim, err = wechattest.New(wechattest.Config{
		Apps: []wechattest.App{{AppID: appID, Secret: leaktest.Secret, Domains: []string{"127.0.0.1"}}}, Mark: leaktest.Mark,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.sim.Close)
	weixin := httptest.NewServer(r.sim)
	t.Cleanup(weixin.Close)
	proxy, first, second := fixture.Address(t), fixture.Address(t), fixture.Address(t)
	r.url = "http://" + proxy
	r.env = append(os.Environ(), "LOGIN_KEY=32 random bytes, kept in a secret", "WECHAT_SECRET="+leaktest.Secret)
	r.args = []string{"-url", r.url, "-sim", weixin.URL, "-appid", appID, "-db", postgrestest.URL(t)}
	t.Cleanup(func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		leaktest.Check(t, "what the replicas and nginx said", r.output.String())
		if t.Failed() {
			t.Log(r.output.String())
		}
	})
	r.start(first)
	r.start(second)
	r.startNginx(proxy, first, second)
	return r
}

// run starts a command that ends with the test, and waits until it listens.
func (r *replicas) run(cmd *exec.Cmd, address string) {
	r.t.Helper()
	cmd.Stdout, cmd.Stderr = r, r
	cmd.SysProcAttr = fixture.ChildAttributes()
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // an error means that it has ended already
		_ = cmd.Wait()
	})
	for deadline := time.Now().Add(time.Minute); ; {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("nothing listens at %s: %v", address, err)
		}
		<-time.After(10 * time.Millisecond)
	}
}

func (r *replicas) start(address string) {
	r.t.Helper()
	cmd := exec.Command(r.binary, append([]string{"-addr", address}, r.args...)...)
	cmd.Env = r.env
	r.commands[address] = cmd
	r.run(cmd, address)
}

// kill ends a replica at once.
func (r *replicas) kill(address string) {
	r.t.Helper()
	if err := r.commands[address].Process.Kill(); err != nil {
		r.t.Fatal(err)
	}
	_ = r.commands[address].Wait()
}

func (r *replicas) startNginx(proxy, first, second string) {
	r.t.Helper()
	text, err := os.ReadFile("nginx.conf")
	if err != nil {
		r.t.Fatal(err)
	}
	server := strings.NewReplacer("127.0.0.1:8080", proxy, "127.0.0.1:8081", first, "127.0.0.1:8082", second).
		Replace(string(text))
	dir := r.t.TempDir()
	conf := "daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\n" +
		"client_body_temp_path body;\nproxy_temp_path proxy;\nfastcgi_temp_path fastcgi;\nuwsgi_temp_path uwsgi;\n" +
		"scgi_temp_path scgi;\n" + server + "}\n"
	if err := os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(conf), 0o600); err != nil {
		r.t.Fatal(err)
	}
	program, err := exec.LookPath("nginx")
	if err != nil {
		program = "/usr/sbin/nginx"
	}
	r.run(exec.Command(program, "-p", dir, "-c", "nginx.conf", "-e", "stderr"), proxy)
}

// account is what the app shows to a signed-in user.
type account struct{ User, OpenID, Replica string }

// open opens the user's page on a phone, and fails the test unless the user is signed in.
func (r *replicas) open(phone *wechattest.Phone) (a account) {
	r.t.Helper()
	page, err := phone.Open(r.t.Context(), r.url+"/account")
	if err != nil {
		r.t.Fatal(err)
	}
	if page.Status != http.StatusOK {
		r.t.Fatalf("the phone shows %s (%d): %s", page.URL, page.Status, page.Text())
	}
	if err := json.Unmarshal([]byte(page.Body), &a); err != nil {
		r.t.Fatalf("%v: %s", err, page.Body)
	}
	return a
}

// Sessions hold over both replicas, over the death of one of them, and over its restart. WeChat is asked
// once.
func TestSessionsHoldOverTwoReplicasBehindNginx(t *testing.T) {
	t.Parallel()
	r := startReplicas(t)
	alice := r.sim.Phone("alice")
	first := r.open(alice) // the sign-in starts at one replica, and its callback may be at the other
	served := map[string]bool{}
	for range 6 {
		a := r.open(alice)
		served[a.Replica] = true
		if a.User != first.User || a.OpenID != r.sim.OpenID(appID, "alice") {
			t.Fatalf("%+v, want the user %s", a, first.User)
		}
	}
	if len(served) != 2 {
		t.Fatalf("replicas %v answered, want both", served)
	}
	for address := range served {
		r.kill(address)
		for range 4 {
			if a := r.open(alice); a.User != first.User || a.Replica == address {
				t.Errorf("without %s: %+v", address, a)
			}
		}
		r.start(address)
	}
	if a := r.open(alice); a.User != first.User { // both have been restarted
		t.Errorf("after the restarts: %+v", a)
	}

	// Each further sign-in of the same person is the same user; sign-out holds on both replicas too.
	other := r.sim.Phone("bob")
	if a := r.open(other); a.User == first.User {
		t.Error("two persons are one user")
	}
	if _, err := alice.Open(t.Context(), r.url+"/sign-out"); err != nil {
		t.Fatal(err)
	}
	if _, err := alice.Submit(t.Context(), "sign-out", nil); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		if page, err := alice.Open(t.Context(), r.url+"/sign-in/me"); err != nil || page.Status != http.StatusUnauthorized {
			t.Errorf("after signing out: %d, %v", page.Status, err)
		}
	}
}
