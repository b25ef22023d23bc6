package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// weigate is the command, built once for all tests.
var weigate string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "silenceper")
	if err != nil {
		panic(err)
	}
	weigate = filepath.Join(dir, "weigate")
	build := exec.Command("go", "build", "-o", weigate, "./cmd/weigate")
	build.Dir = filepath.Join("..", "..") // this folder is a separate module
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build ./cmd/weigate: %v\n%s", err, out)
		os.RemoveAll(dir)
		os.Exit(1)
	}
	os.Setenv("LC_ALL", "C.UTF-8") // the tests read the output of weigate in English
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// simulator runs "weigate sim" and returns its TLS address and the file with
// the certificate authority to trust.
func simulator(t *testing.T) (addr, caFile string) {
	t.Helper()
	caFile = filepath.Join(t.TempDir(), "ca.pem")
	sim := exec.Command(weigate, "sim", "--addr", "127.0.0.1:0", "--control-addr", "127.0.0.1:0",
		"--tls-addr", "127.0.0.1:0", "--ca-out", caFile, "--consent-as", "alice",
		"--app", "wx0123456789abcdef:0123456789abcdef0123456789abcdef:shop.example.com")
	sim.SysProcAttr = childAttributes()
	output, err := sim.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var complaints strings.Builder
	sim.Stderr = &complaints
	if err := sim.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		sim.Process.Signal(os.Interrupt)
		io.Copy(io.Discard, output)
		if err := sim.Wait(); err != nil {
			t.Errorf("weigate sim, told to stop: %v: %s", err, &complaints)
		}
	})

	place := regexp.MustCompile(`^\s*TLS\s+(127\.0\.0\.1:\d+)\s`)
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		if found := place.FindStringSubmatch(lines.Text()); found != nil {
			return found[1], caFile
		}
	}
	t.Fatalf("weigate sim told no TLS address: %s", &complaints)
	return "", ""
}

// complete matches the output of a complete sign-in.
var complete = regexp.MustCompile(`^base     openid (o[\w-]{27}), scope snsapi_base
profile  openid (o[\w-]{27}), nickname Alice, avatar https?://\S+/132
refresh  openid (o[\w-]{27}), 7200 more seconds
check    the token is valid for this openid and for no other
$`)

func TestBaseProfileRefreshAndCheck(t *testing.T) {
	addr, ca := simulator(t)
	var out strings.Builder
	if err := run(t.Context(), []string{"-tls-addr", addr, "-ca", ca}, &out, &out); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	told := complete.FindStringSubmatch(out.String())
	if told == nil {
		t.Fatalf("the complete was told otherwise:\n%s", &out)
	}
	if told[1] != told[2] || told[1] != told[3] {
		t.Errorf("one person, three openids:\n%s", &out)
	}
}

// A wrong secret must fail.
func TestWrongSecretIsRefused(t *testing.T) {
	addr, ca := simulator(t)
	var out strings.Builder
	err := run(t.Context(), []string{"-tls-addr", addr, "-ca", ca, "-secret", "wrong"}, &out, &out)
	if err == nil || !strings.Contains(err.Error(), "errcode=40125") {
		t.Errorf("got error %v, want errcode 40125", err)
	}
}

// The certificate authority of another run must not be trusted.
func TestForeignAuthorityIsRefused(t *testing.T) {
	addr, _ := simulator(t)
	_, foreign := simulator(t)
	var out strings.Builder
	err := run(t.Context(), []string{"-tls-addr", addr, "-ca", foreign}, &out, &out)
	if err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("got error %v, want one about the certificate", err)
	}
}

// A mistake in an address must not send a code or secret to another machine.
func TestNoOtherHostIsDialled(t *testing.T) {
	addr, ca := simulator(t)
	pem, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	transport, err := simulated(addr, pem)
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Transport: transport}
	for _, host := range []string{"https://api2.weixin.qq.com/", "http://api.weixin.qq.com/",
		"https://shop.example.com/"} {
		if resp, err := client.Get(host); err == nil {
			resp.Body.Close()
			t.Errorf("%s was reached", host)
		}
	}
}
