package e2e_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"

	"github.com/weigate/weigate/internal/leaktest"
)

// wire is what a tab sent and heard: its network traffic and its console.
type wire struct {
	site *addresses

	mu        sync.Mutex
	codes     []string // that the browser carried to the callback
	callbacks []string // addresses with them
	referrers []string
	answers   []*network.Response // of the sample app, redirects too
	documents []string            // addresses of the pages that were shown
	failed    []string            // parts of pages that did not load
	foreign   []string            // addresses on other machines, such as a font on a CDN
	console   []string
}

// hear takes an event. The tab waits for it, so it only notes.
func (w *wire) hear(event any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if isForeign(e.Request.URL) {
			w.foreign = append(w.foreign, e.Request.URL)
		}
		if u, err := url.Parse(e.Request.URL); err == nil && w.ofApp(e.Request.URL) {
			if code := u.Query().Get("code"); len(code) > 8 {
				w.codes = append(w.codes, code)
				w.callbacks = append(w.callbacks, e.Request.URL)
			}
		}
		if e.RedirectResponse != nil && w.ofApp(e.RedirectResponse.URL) {
			w.answers = append(w.answers, e.RedirectResponse)
		}
		w.referred(e.Request.Headers)
	case *network.EventRequestWillBeSentExtraInfo:
		w.referred(e.Headers)
	case *network.EventResponseReceived:
		if e.Type == network.ResourceTypeDocument {
			w.documents = append(w.documents, e.Response.URL)
		}
		if w.ofApp(e.Response.URL) {
			w.answers = append(w.answers, e.Response)
		}
		// A document may be an error page, and a script that asks for one again may get it.
		if e.Type != network.ResourceTypeDocument && e.Type != network.ResourceTypeFetch && e.Response.Status >= 400 {
			w.failed = append(w.failed, fmt.Sprintf("%s %s: %d", e.Type, e.Response.URL, e.Response.Status))
		}
	case *runtime.EventExceptionThrown:
		w.console = append(w.console, "exception: "+e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		w.console = append(w.console, fmt.Sprintf("console.%s", e.Type))
	case *log.EventEntryAdded:
		// A page with a status of 400 or more is a line here as well. The tests ask for the status
		// of pages, and other parts are in failed.
		if e.Entry.Source != log.EntrySourceNetwork {
			w.console = append(w.console, fmt.Sprintf("%s %s: %s (%s)", e.Entry.Source, e.Entry.Level, e.Entry.Text,
				e.Entry.URL))
		}
	}
}

// isForeign reports whether a request leaves this machine. Pages must load where all other hosts are
// blocked: a font on a CDN costs 10 to 20 seconds in mainland China (go-gitea/gitea#4839).
func isForeign(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return false // data: and others
	}
	host := u.Hostname()
	return host != "127.0.0.1" && host != "::1" && host != "localhost" && !strings.HasSuffix(host, ".localhost")
}

func (w *wire) ofApp(address string) bool { return strings.HasPrefix(address, w.site.app+"/") }

func (w *wire) referred(headers network.Headers) {
	for name, value := range headers {
		if text, ok := value.(string); ok && strings.EqualFold(name, "Referer") {
			w.referrers = append(w.referrers, text)
		}
	}
}

// judge fails the test when a secret went where it must not be, or the console complained.
func (w *wire) judge(t *testing.T) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, line := range w.console {
		t.Errorf("the console says %s", line)
	}
	for _, what := range w.failed {
		t.Errorf("a part of a page did not load: %s", what)
	}
	for _, address := range w.foreign {
		t.Errorf("a page requests another machine: %s", address)
	}
	for _, address := range w.referrers {
		if w.secret(address) != "" || strings.Contains(address, "code=") {
			t.Errorf("a Referer has a code: %s", address)
		}
	}
	for _, answer := range w.answers {
		for name, value := range answer.Headers {
			if found := w.secret(fmt.Sprint(value)); found != "" {
				t.Errorf("the header %s of %s has %s", name, answer.URL, found)
			}
		}
	}
}

// secret returns the kind of secret that text contains, or "".
func (w *wire) secret(text string) string {
	if found := leaktest.Find([]byte(text)); found != "" {
		return found
	}
	for _, code := range w.codes {
		if strings.Contains(text, code) {
			return "a code"
		}
	}
	return ""
}

// documents lists the addresses of the pages that the window has shown, redirects left out.
func (w *window) documents() []string {
	w.wire.mu.Lock()
	defer w.wire.mu.Unlock()
	return slices.Clone(w.wire.documents)
}

// callback is the last address with a code to which WeChat sent the browser.
func (w *wire) callback(t *testing.T) string {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.callbacks) == 0 {
		t.Fatal("the browser has carried no code")
	}
	return w.callbacks[len(w.callbacks)-1]
}

func TestRequestsToOtherMachines(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"https://fonts.example.com/a.woff2": true, "http://127.0.0.1.example.com/": true, "http://10.0.0.1/": true,
		"http://127.0.0.1:8080/": false, "http://wiki.localhost:1/": false, "http://[::1]:1/": false,
		"data:image/png;base64,AA": false,
	} {
		if got := isForeign(address); got != want {
			t.Errorf("%s: %v, want %v", address, got, want)
		}
	}
}
