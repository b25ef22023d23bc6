package flow

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/cookie"
	"github.com/weigate/weigate/wechat"
)

// "go test" runs FuzzFlow with its seeds only, so there must be some.
func TestFuzzTargetsHaveSeeds(t *testing.T) {
	t.Parallel()
	seeds, err := filepath.Glob(filepath.Join("testdata", "fuzz", "FuzzFlow", "*"))
	if err != nil || len(seeds) == 0 {
		t.Errorf("testdata/fuzz/FuzzFlow has no seed: %v", err)
	}
}

func sampleFlow(tb testing.TB, returnTo string, data []byte) []byte {
	tb.Helper()
	f := newFlow(Request{Method: MethodWebsite, ForcePopup: true, ReturnTo: returnTo, Data: data}, 1,
		time.Unix(1772352000, 0))
	b, err := f.marshal()
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// FuzzFlow checks that unmarshalFlow does not panic, and that marshal returns the same bytes that
// unmarshalFlow accepted, so that a flow has one encoding only.
func FuzzFlow(f *testing.F) {
	plain := sampleFlow(f, "/x?y#/z", nil)
	f.Add(plain)
	f.Add(sampleFlow(f, "", []byte("data")))
	f.Add(sampleFlow(f, strings.Repeat("x", MaxReturn), bytes.Repeat([]byte{0}, MaxData)))
	f.Add(plain[:len(plain)-1])
	f.Add(append(bytes.Clone(plain), 0))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		read, err := unmarshalFlow(b)
		if err != nil {
			return
		}
		again, err := read.marshal()
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%x was read, then written as %x (%v)", b, again, err)
		}
	})
}

func TestMarshalRefusesUnknownAndLongValues(t *testing.T) {
	t.Parallel()
	now := time.Unix(1772352000, 0)
	for name, req := range map[string]Request{
		"unknown method": {Method: "scan", Scope: wechat.ScopeBase}, "unknown scope": {Method: MethodWeChat, Scope: "all"},
		"long return address": {Method: MethodWeChat, Scope: wechat.ScopeBase, ReturnTo: strings.Repeat("x", MaxReturn+1)},
		"much data": {Method: MethodWeChat, Scope: wechat.ScopeBase, ReturnTo: strings.Repeat("x", MaxReturn),
			Data: make([]byte, MaxData+1)},
	} {
		if _, err := newFlow(req, 0, now).marshal(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestStateForm(t *testing.T) {
	t.Parallel()
	for restarts := range maxRestarts + 1 {
		state := newState(restarts)
		if !validState(state) || len(state) != 27 || restartsOf(state) != restarts || state[:26] == newState(restarts)[:26] {
			t.Errorf("state %q after %d restarts", state, restarts)
		}
	}
	good := strings.Repeat("a", 26)
	for _, state := range []string{"", good, good + "00", good + "3", good + "a", strings.Repeat("A", 26) + "0",
		strings.Repeat("1", 26) + "0", good[:25] + "/0"} {
		if validState(state) {
			t.Errorf("%q counts as a state", state)
		}
	}
}

// The secret of a flow and the seed of another sign-in give different session ids, even if they are
// equal.
func TestSessionIDs(t *testing.T) {
	t.Parallel()
	secret := bytes.Repeat([]byte{1}, MinSeed)
	ofFlow, err := (&Flow{secret: secret}).SessionID()
	if err != nil {
		t.Fatal(err)
	}
	ofSeed, err := SeedSessionID(secret)
	if err != nil {
		t.Fatal(err)
	}
	if ofFlow == ofSeed || len(ofFlow) != SessionIDLength || len(ofSeed) != SessionIDLength {
		t.Errorf("ids %q and %q", ofFlow, ofSeed)
	}
	if again, err := SeedSessionID(bytes.Clone(secret)); err != nil || again != ofSeed {
		t.Errorf("the same seed makes %q, then %q (%v)", ofSeed, again, err)
	}
	if _, err := SeedSessionID(secret[:MinSeed-1]); err == nil {
		t.Error("a short seed is accepted")
	}
	first, second := Hash("session", "x"), Hash("session", "x")
	if first != second || first == Hash("flow", "x") {
		t.Error("the hash of one value differs, or hashes of two kinds are equal")
	}
}

func newEngine(t *testing.T, now func() time.Time) *Engine {
	t.Helper()
	u, err := url.Parse("https://app.example.com")
	if err != nil {
		t.Fatal(err)
	}
	e, err := New(Config{
		Callback: "https://app.example.com/wechat/callback", Cookies: cookie.For(u, "app"),
		Keys:            [][]byte{bytes.Repeat([]byte{1}, 32)},
		OfficialAccount: &wechat.Client{AppID: "wx00000000000000aa", Secret: "secret"}, Now: now,
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestFailuresExpireAndCannotBeForged(t *testing.T) {
	t.Parallel()
	now := time.Unix(1772352000, 0)
	e := newEngine(t, func() time.Time { return now })
	f := newFlow(Request{Method: MethodWeChat, Scope: wechat.ScopeBase, ReturnTo: "/x?a=1&b=" + strings.Repeat("&", 1490),
		Data: []byte{0, 255}}, 0, now)
	b := Browser{Request: httptest.NewRequest("GET", "/", nil), RequestID: "r1"}
	res := e.callbackFailed(b, f, OutcomeRefused, strings.Repeat("\x01", 500))
	if res.Kind != CallbackFailed {
		t.Fatalf("%+v", res)
	}
	got, ok := e.OpenFailure(res.Failure)
	if !ok || got.Outcome != OutcomeRefused || got.ReturnTo != f.ReturnTo || got.RequestID != "r1" ||
		!bytes.Equal(got.Data, f.Data) || len(got.Text) != 500 {
		t.Errorf("failure %+v, %v", got, ok)
	}
	for _, other := range []string{"", res.Failure + "A", res.Failure[1:], "AAAA"} {
		if _, ok := e.OpenFailure(other); ok {
			t.Errorf("%q is accepted as a failure", other)
		}
	}
	now = now.Add(Lifetime)
	if _, ok := e.OpenFailure(res.Failure); ok {
		t.Error("a failure does not expire")
	}
}

// After a new flow is added, all flow cookies fit maxFlowCookies, and the oldest were removed
// first.
func TestAddRemovesTheOldestFlows(t *testing.T) {
	t.Parallel()
	now := time.Unix(1772352000, 0)
	e := newEngine(t, func() time.Time { return now })
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(&http.Cookie{Name: e.cookies.Name("f-planted000"), Value: "not a flow"})
	kept := map[string]string{}
	var order []string
	for range 12 {
		f := newFlow(Request{Method: MethodWeChat, Scope: wechat.ScopeBase, ReturnTo: "/" + strings.Repeat("x", 300)}, 0, now)
		now = now.Add(time.Second)
		changes, err := e.cookies.add(r, f, now)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range changes {
			delete(kept, c.Name)
			if c.MaxAge > 0 {
				kept[c.Name] = c.Value
				order = append(order, c.Name)
			}
		}
		r = httptest.NewRequest("GET", "/", nil)
		total := 0
		for name, value := range kept {
			r.AddCookie(&http.Cookie{Name: name, Value: value})
			total += headerSize(name, value)
		}
		if total > maxFlowCookies {
			t.Fatalf("cookies of %d bytes", total)
		}
	}
	for name := range kept {
		if !slices.Contains(order[len(order)-len(kept):], name) {
			t.Errorf("%s was kept, and a younger one was not", name)
		}
	}
	if len(kept) < 3 {
		t.Errorf("only %d flows were kept", len(kept))
	}
}

func TestReservedReturns(t *testing.T) {
	t.Parallel()
	p := ReturnPolicy{Origin: "https://app.example.com", Prefix: "/in", ReservedPaths: []string{"/sign-in/", "/sign-out"}}
	for address, ok := range map[string]bool{
		"": true, "/in/": true, "/in/x": true, "/sign-in": true, "/in/sign-info": true, "/in/sign-out/done": true,
		"https://app.example.com/x": true,
		"/in/sign-in":               false, "/in/sign-in/": false, "/in/sign-in/x?y": false, "/in/sign%2Din": false,
		"/in/sign-out":                       false,
		"/in/sign-out/":                      false,
		"https://app.example.com/in/sign-in": false, "https://other.example/": false, "//other.example": false,
	} {
		if _, err := p.Check(address); (err == nil) != ok {
			t.Errorf("Check(%q): %v", address, err)
		}
	}
}
