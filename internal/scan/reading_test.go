package scan_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/scan"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
)

// bowser-js/bowser#380: WeChat for Mac says WindowsWechat.
func TestPhoneShowsTheDesktopsBrowser(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	for agent, want := range map[string]string{
		uaDesktop: "Chrome, Windows",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_1) Chrome/39.0 Safari/537.36 MicroMessenger/6.5.2.501 " +
			"NetType/WIFI WindowsWechat": "WeChat, macOS",
		"Mozilla/5.0 (PC; OpenHarmony 6.1; Windows NT 10.0) Chrome/132.0.0.0 HuaweiBrowser/6.1": "HUAWEI Browser, HarmonyOS",
	} {
		desktop := w.browser(agent).open("/begin").want(web.ScanCode)
		w.phone("alice").open(desktop.link()).want(web.ScanAsk).shows(want)
	}
}

// chjtx/JRoll#89: the user of a tablet cannot scan the tablet's own screen.
func TestTabletGetsALinkAndADesktopGetsACode(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	for agent, want := range map[string]web.Kind{
		"Mozilla/5.0 (Tablet; OpenHarmony 5.0) Chrome/114.0.0.0 Safari/537.36 ArkWeb/4.1.6.1": web.ScanCopy,
		"Mozilla/5.0 (Linux; Android 13; SM-X210) Chrome/124.0.0.0 Safari/537.36":             web.ScanCopy,
		"Mozilla/5.0 (PC; OpenHarmony 6.1) Chrome/132.0.0.0 Safari/537.36 ArkWeb/6.1.0.115":   web.ScanCode,
		"Mozilla/5.0 (Windows NT 10.0) wxwork/4.1.39 (MicroMessenger/6.2) WindowsWechat":      web.ScanCode,
		uaPhone + " miniProgram/wx73247c7819d61796":                                           web.ScanCopy,
	} {
		w.browser(agent).open("/begin").want(want)
	}
}

func TestUnknownBrowserIsShownAsUnknown(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	b := w.browser("Something else").open("/begin").want(web.ScanCode)
	w.phone("alice").open(b.link()).want(web.ScanAsk).shows("Browser Unknown")
}

func TestAddressAndNetworkAreShownCorrectly(t *testing.T) {
	t.Parallel()
	const same, other = "Same as this phone", "Different from this phone"
	for _, k := range []struct{ name, desktop, phone, maskedIP, network string }{
		{"one household", "203.0.113.7:1", "203.0.113.7:2", "203.0.113.*", same},
		{"a neighbour in the same block", "203.0.113.7:1", "203.0.113.8:2", "203.0.113.*", other},
		{"mobile data", "203.0.113.7:1", "198.51.100.3:2", "203.0.113.*", other},
		{"IPv6, one household", "[2001:db8:1:2::a]:1", "[2001:db8:1:2:9::b]:1", "2001:db8:1:*", same},
		{"IPv6, another", "[2001:db8:1:2::a]:1", "[2001:db8:1:3::a]:1", "2001:db8:1:*", other},
		{"IPv4 in IPv6", "[::ffff:203.0.113.7]:1", "203.0.113.7:1", "203.0.113.*", same},
		{"two families cannot be compared", "203.0.113.7:1", "[2001:db8::1]:1", "203.0.113.*", ""},
		{"private: perhaps a proxy's address, which all visitors have", "10.1.2.3:1", "10.1.2.3:1", "10.1.2.*", ""},
		{"a load balancer of a cloud", "100.64.3.1:1", "100.64.3.1:1", "100.64.3.*", ""},
		{"a proxy on this machine", "127.0.0.1:1", "127.0.0.1:1", "", ""},
	} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			w := newFixture(t)
			desktop := w.browser(uaDesktop)
			desktop.address = k.desktop
			desktop.open("/begin").want(web.ScanCode)
			phone := w.phone("alice")
			phone.address = k.phone
			text := phone.open(desktop.link()).want(web.ScanAsk).text()
			if k.maskedIP == "" != !strings.Contains(text, "IP address ") || !strings.Contains(text, k.maskedIP) {
				t.Errorf("masked IP address: %s", text)
			}
			if got := strings.Contains(text, same); got != (k.network == same) {
				t.Errorf("said to be the same network: %v", got)
			}
			if got := strings.Contains(text, other); got != (k.network == other) {
				t.Errorf("said to be another network: %v", got)
			}
			if row := w.ticket(); strings.Contains(string(row.Data), "203.0.113") ||
				strings.Contains(fmt.Sprint(row.MaskedIP), ".7") {
				t.Errorf("the ticket holds the whole address: %+v", row)
			}
		})
	}
}

// The requirements of the desktop's login request apply to the sign-in of the phone.
func TestPhoneIsSignedInAsTheDesktopRequires(t *testing.T) {
	t.Parallel()
	for _, k := range []struct {
		name, with string
		want       func(d session.LoginRequest) bool
		enough     bool // the session that the phone has is enough
	}{
		{"nothing", "", nil, true},
		{"fresh", "fresh", func(d session.LoginRequest) bool { return d.Reauthenticate && !d.Consent }, false},
		{"consent", "consent", func(d session.LoginRequest) bool { return d.Consent }, false},
		{"the phone's entry", "connector=main", nil, true},
		{"another entry", "connector=second", func(d session.LoginRequest) bool { return d.Connector == "second" },
			false},
	} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			w := newFixture(t)
			desktop, phone := w.desktop(k.with), w.phone("alice")
			phone.open(desktop.link())
			if k.enough {
				phone.want(web.ScanAsk)
				return
			}
			phone.goes("https://open.weixin.qq.com/")
			d := w.people.loginRequests[0]
			if !k.want(d) || d.ID == "" || !strings.HasPrefix(d.ReturnURL, "/scan/confirm?") || d.ID == "REQUEST1" {
				t.Errorf("login request %+v", d)
			}
			// The phone returns without meeting the requirements: a page is shown, and no redirect
			// repeats.
			phone.open(d.ReturnURL).want(web.NotSignedIn)
			if k.with == "connector=second" {
				return
			}
			// A sign-in for the login request of another user, or of another code, does not satisfy
			// this one.
			phone.signIn("alice", "another request")
			phone.open(d.ReturnURL).want(web.NotSignedIn)
			phone.signIn("alice", d.ID)
			phone.open(d.ReturnURL).want(web.ScanAsk).press("Continue").want(web.ScanNumber)
		})
	}
}

// Programs that only test whether an address exists must not use up a code that a user waits for.
func TestHeadDoesNothing(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	begun := w.browser(uaDesktop)
	at := begun.send(http.MethodGet, "/begin?", nil).Header().Get("Location")
	if res := begun.send(http.MethodHead, at, nil); res.Code != http.StatusOK || len(w.tickets.all()) != 0 {
		t.Errorf("HEAD of the page: %d, tickets %v", res.Code, w.tickets.all())
	}
	begun.open(at).want(web.ScanCode)
	phone := w.phone("alice")
	phone.send(http.MethodHead, begun.link(), nil)
	phone.open("/scan/confirm").want(web.ScanNone)
	w.approve(begun.link(), phone)
	if begun.send(http.MethodHead, at, nil); begun.isIn() != "" {
		t.Error("HEAD has signed the desktop in")
	}
	w.state(gateway.TicketApproved)
	begun.open(at).want(web.ScanSignedIn)
}

// A link that somebody made up shows none of its text in the name of the gateway.
func TestMadeUpLinkIsNotRepeated(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	for _, text := range []string{"call-0900-12345", "pay-at-evil.example", strings.Repeat("1", 26),
		strings.Repeat("a", 27)} {
		if b := w.browser(uaDesktop).open("/scan/" + text).want(web.ScanOver); strings.Contains(b.page.Body.String(),
			text) {
			t.Errorf("the page repeats %q", text)
		}
	}
}

// "Not me" ends the session even if this request does not contain its cookie: the response with the
// cookie went to another tab, or was lost.
func TestNotMeWithoutTheSessionsCookie(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	desktop := w.desktop()
	w.approve(desktop.link(), w.phone("alice"))
	other := desktop.twin()
	other.open(other.at).want(web.ScanSignedIn)
	desktop.press("Cancel").want(web.ScanUndone)
	if who := other.isIn(); who != "" {
		t.Errorf("%s is still signed in", who)
	}
}

func TestProfileIsAskedBeforeTheNumber(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.people.asks = true
	w.people.accounts["carol"] = gateway.User{ID: "carol", Status: gateway.Active}
	desktop, phone := w.desktop("profile"), w.phone("carol")
	phone.open(desktop.link()).want(web.ScanAsk).press("Continue").goes("/sign-in/profile?return=/scan/confirm")
	desktop.open(desktop.at).want(web.ScanScanned)
	w.people.accounts["carol"] = gateway.User{ID: "carol", Status: gateway.Active, Nickname: "Carol"}
	phone.open("/scan/confirm").want(web.ScanNumber)
	// Nobody is asked for what nobody wants.
	other, again := w.desktop(), w.phone("carol")
	w.people.accounts["carol"] = gateway.User{ID: "carol", Status: gateway.Active}
	again.open(other.link()).want(web.ScanAsk).press("Continue").want(web.ScanNumber)
}

func TestCookiesOfManyTabsStaySmall(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	b := w.browser(uaDesktop)
	var pages []string
	for range 20 {
		b.open("/begin").want(web.ScanCode)
		pages = append(pages, b.at)
		total := 0
		for name, value := range b.cookies {
			total += len(name) + len(value)
		}
		if total > 3300 {
			t.Fatalf("%d bytes of cookies", total)
		}
		w.pass(1e9)
	}
	// The newest tabs work side by side; the oldest show that they have expired.
	first := b.open(pages[19]).want(web.ScanCode).link()
	if second := b.open(pages[18]).want(web.ScanCode).link(); second == first {
		t.Error("two tabs share a code")
	}
	b.open(pages[0]).want(web.Lost)
}

func TestLoginRequestThatDoesNotFitIsAnError(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.replicas[0].Begin(nil, r, session.LoginRequest{ReturnURL: "/" +
		strings.Repeat("x", 1500)}); err == nil {
		t.Error("taken")
	}
}

func TestConfigurationIsChecked(t *testing.T) {
	t.Parallel()
	_, err := scan.New(scan.Config{URL: "login.example.com", Keys: [][]byte{{1}}})
	if err == nil {
		t.Fatal("an empty configuration is taken")
	}
	for _, want := range []string{"URL", "Keys[0] has 1 bytes"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no word of %s in: %v", want, err)
		}
	}
}

// Replicas that roll over to another key open what the others sealed.
func TestKeysRollOver(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	old := w.config.Keys[0]
	w.config.Keys = [][]byte{[]byte(strings.Repeat("n", 32)), old}
	w.start()
	desktop, phone := w.desktop(), w.phone("alice")
	desktop.replica, phone.replica = 1, 1
	phone.open(desktop.link()).want(web.ScanAsk).shows("Same as this phone").press("Continue").want(web.ScanNumber).enter(
		w.ticket().Number).want(web.ScanDone)
	desktop.open(desktop.at).want(web.ScanSignedIn)
}

func TestEveryStoreFailureIsAPageToTryAgain(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"PutTicket", "Ticket", "ScanTicket", "AnswerTicket", "RedeemTicket",
		"CancelTicket"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			w := newFixture(t)
			breaks := func(b *browser, act func() *browser) {
				t.Helper()
				w.tickets.mu.Lock()
				w.tickets.broken[method] = errStore
				w.tickets.mu.Unlock()
				if act().want(web.Busy); b.page.Code != 503 || strings.Contains(b.page.Body.String(), "10.0.0.1") {
					t.Errorf("%d %s", b.page.Code, b.text())
				}
				w.tickets.mu.Lock()
				delete(w.tickets.broken, method)
				w.tickets.mu.Unlock()
			}
			if method == "PutTicket" {
				b := w.browser(uaDesktop)
				breaks(b, func() *browser { return b.open("/begin") })
				b.open(b.at).want(web.ScanCode)
				return
			}
			desktop, phone := w.desktop(), w.phone("alice")
			link := desktop.link()
			if method == "Ticket" {
				breaks(desktop, func() *browser { return desktop.open(desktop.at) })
				breaks(phone, func() *browser { return phone.open(link) })
			}
			phone.open(link).want(web.ScanAsk)
			ask := phone.page
			if method == "ScanTicket" {
				breaks(phone, func() *browser { return phone.press("Continue") })
				phone.page = ask
			}
			phone.press("Continue").want(web.ScanNumber)
			number := phone.page
			if method == "AnswerTicket" {
				breaks(phone, func() *browser { return phone.enter(w.ticket().Number) })
				phone.page = number
			}
			if method == "CancelTicket" {
				breaks(desktop, func() *browser { return desktop.press("Cancel") })
				desktop.open("/scan?" + url.Values{"d": {desktop.key()}}.Encode()).want(web.ScanScanned)
			}
			phone.enter(w.ticket().Number).want(web.ScanDone)
			if method == "RedeemTicket" {
				at := desktop.at
				breaks(desktop, func() *browser { return desktop.open(at) })
				desktop.at = at
			}
			desktop.open("/scan?" + url.Values{"d": {desktop.key()}}.Encode()).want(web.ScanSignedIn)
		})
	}
}

// key names the browser's newest sign-in.
func (b *browser) key() string {
	var keys []string
	for name := range b.cookies {
		if _, key, found := strings.Cut(name, "-d-"); found {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys[0]
}
