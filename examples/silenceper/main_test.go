package main

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/weigate/weigate/wechat/wechattest"
)

// simulator serves WeChat over TLS in this process and returns the address and
// the file of the certificate authority to trust.
func simulator(t *testing.T) (addr, caFile string) {
	t.Helper()
	sim, err := wechattest.New(wechattest.Config{
		Apps: []wechattest.App{{
			AppID: "wx0123456789abcdef", Secret: "0123456789abcdef0123456789abcdef", Domains: []string{"shop.example.com"},
		}},
		Switches: wechattest.Switches{ConsentAs: "alice"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	authority, err := wechattest.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	caFile = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(caFile, authority.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: sim, TLSConfig: authority.TLSConfig()}
	t.Cleanup(func() { server.Close() })
	go server.ServeTLS(listener, "", "")
	return listener.Addr().String(), caFile
}

func TestBaseProfileRefreshAndCheck(t *testing.T) {
	addr, ca := simulator(t)
	var out strings.Builder
	if err := run(t.Context(), []string{"-tls-addr", addr, "-ca", ca}, &out, &out); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	told := regexp.MustCompile(`^base     openid (o[\w-]{27}), scope snsapi_base
profile  openid (o[\w-]{27}), nickname Alice, avatar https?://\S+/132
refresh  openid (o[\w-]{27}), 7200 more seconds
check    the token is valid for this openid and for no other
$`).FindStringSubmatch(out.String())
	if told == nil {
		t.Fatalf("the journey was told otherwise:\n%s", &out)
	}
	if told[1] != told[2] || told[1] != told[3] {
		t.Errorf("one person, three openids:\n%s", &out)
	}
}

// A wrong secret must not pass: the simulator would be no test otherwise.
func TestWrongSecretIsRefused(t *testing.T) {
	addr, ca := simulator(t)
	var out strings.Builder
	err := run(t.Context(), []string{"-tls-addr", addr, "-ca", ca, "-secret", "wrong"}, &out, &out)
	if err == nil || !strings.Contains(err.Error(), "errcode=40125") {
		t.Errorf("got error %v, want errcode 40125", err)
	}
}

// Another run's certificate authority must not be trusted.
func TestForeignAuthorityIsRefused(t *testing.T) {
	addr, _ := simulator(t)
	_, foreign := simulator(t)
	var out strings.Builder
	err := run(t.Context(), []string{"-tls-addr", addr, "-ca", foreign}, &out, &out)
	if err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("got error %v, want one about the certificate", err)
	}
}

// A slip in an address must not send a code or a secret out of this machine.
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
	for _, host := range []string{"https://api2.weixin.qq.com/", "http://api.weixin.qq.com/", "https://shop.example.com/"} {
		if resp, err := client.Get(host); err == nil {
			resp.Body.Close()
			t.Errorf("%s was reached", host)
		}
	}
}
