package scan_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/scan"
	"github.com/weigate/weigate/internal/web"
)

// polls asks as the page's script does, and gives the answer and how long it took.
func (b *browser) polls(ctx context.Context, seen string) (answer string, took time.Duration) {
	began := time.Now()
	res := b.twin().sendContext(ctx, http.MethodGet, strings.Replace(b.at, "/scan?", "/scan/state?", 1)+"&seen="+seen,
		nil)
	return strings.TrimSpace(res.Body.String()), time.Since(began)
}

// inBubble runs a test in a synctest bubble, whose clock the fixture uses.
func inBubble(t *testing.T, test func(w *fixture), change ...func(*scan.Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		test(newFixture(t, append(change, func(c *scan.Config) { c.Now = time.Now })...))
		time.Sleep(time.Second) // the watcher finds that nobody waits
	})
}

func TestPollAnswersWhenThePhoneIsThere(t *testing.T) {
	t.Parallel()
	inBubble(t, func(w *fixture) {
		desktop := w.desktop()
		phone := w.phone("alice").open(desktop.link()).want(web.ScanAsk)
		time.AfterFunc(10*time.Second, func() { phone.press("Continue") })
		if answer, took := desktop.polls(w.t.Context(), "open"); answer != `{"state":"scanned"}` ||
			took < 10*time.Second || took > 11*time.Second {
			w.t.Errorf("%s after %v", answer, took)
		}
		// A page that shows an older state gets the current one at the next read.
		if answer, took := desktop.polls(w.t.Context(), "open"); answer != `{"state":"scanned"}` || took > time.Second {
			w.t.Errorf("%s after %v", answer, took)
		}
		if answer, took := desktop.polls(w.t.Context(), "scanned"); answer != `{"state":"scanned"}` ||
			took != 25*time.Second {
			w.t.Errorf("%s after %v", answer, took)
		}
	})
}

func TestPollHearsThatTheCodeIsOver(t *testing.T) {
	t.Parallel()
	inBubble(t, func(w *fixture) {
		desktop := w.desktop()
		time.Sleep(2*time.Minute - 5*time.Second)
		if answer, took := desktop.polls(w.t.Context(), "open"); answer != `{"state":"expired"}` || took > 6*time.Second {
			w.t.Errorf("%s after %v", answer, took)
		}
		// Without the cookie the response contains no state, and is sent at once.
		if answer, took := w.browser(uaDesktop).polls2(desktop.at); answer != `{"state":"gone"}` || took != 0 {
			w.t.Errorf("a stranger hears %s after %v", answer, took)
		}
	})
}

// polls2 asks for another browser's sign-in.
func (b *browser) polls2(at string) (string, time.Duration) {
	b.at = at
	return b.polls(b.w.t.Context(), "open")
}

// However many wait, the store is asked once every half a second, and not at all when nobody does.
func TestThousandDesktopsAreOneQuestion(t *testing.T) {
	t.Parallel()
	inBubble(t, func(w *fixture) {
		var desktops []*browser
		for range 200 {
			desktops = append(desktops, w.desktop())
		}
		var all sync.WaitGroup
		for _, d := range desktops {
			for range 2 { // the same page in two tabs
				all.Go(func() {
					if answer, _ := d.polls(w.t.Context(), "open"); answer != `{"state":"open"}` {
						w.t.Errorf("heard %s", answer)
					}
				})
			}
		}
		all.Wait()
		w.tickets.mu.Lock()
		asked := len(w.tickets.asked)
		most := 0
		for _, hashes := range w.tickets.asked {
			most = max(most, len(hashes))
		}
		w.tickets.mu.Unlock()
		if asked < 48 || asked > 51 || most != 200 {
			w.t.Errorf("%d questions in 25 seconds, the largest for %d tickets", asked, most)
		}
		time.Sleep(time.Minute)
		w.tickets.mu.Lock()
		defer w.tickets.mu.Unlock()
		if n := len(w.tickets.asked); n > asked+1 {
			w.t.Errorf("%d questions while nobody waited", n-asked)
		}
	})
}

func TestPollContinuesAfterTheStoreWasUnavailable(t *testing.T) {
	t.Parallel()
	inBubble(t, func(w *fixture) {
		desktop := w.desktop()
		phone := w.phone("alice").open(desktop.link()).want(web.ScanAsk).press("Continue").want(web.ScanNumber)
		w.tickets.mu.Lock()
		w.tickets.broken["TicketStates"] = errStore
		w.tickets.mu.Unlock()
		time.AfterFunc(8*time.Second, func() {
			w.tickets.mu.Lock()
			delete(w.tickets.broken, "TicketStates")
			w.tickets.mu.Unlock()
			phone.enter(w.ticket().Number)
		})
		if answer, took := desktop.polls(w.t.Context(), "scanned"); answer != `{"state":"approved"}` ||
			took > 9*time.Second {
			w.t.Errorf("%s after %v", answer, took)
		}
		if n := strings.Count(w.log.String(), "ticket states not read"); n != 1 {
			w.t.Errorf("%d lines in the log: %s", n, w.log)
		}
	})
}

func TestClosedPageIsForgotten(t *testing.T) {
	t.Parallel()
	inBubble(t, func(w *fixture) {
		desktop := w.desktop()
		ctx, cancel := context.WithTimeout(w.t.Context(), time.Second)
		defer cancel()
		if _, took := desktop.polls(ctx, "open"); took != time.Second {
			w.t.Errorf("waited %v", took)
		}
		time.Sleep(2 * time.Second)
		w.tickets.mu.Lock()
		defer w.tickets.mu.Unlock()
		if n := len(w.tickets.asked); n > 3 {
			w.t.Errorf("asked %d times for a page that is closed", n)
		}
	})
}

func TestStoppingAnswersThoseWhoWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stopping := make(chan struct{}) // of the bubble
		w := newFixture(t, func(c *scan.Config) { c.Now, c.Stopping = time.Now, stopping })
		desktop := w.desktop()
		time.AfterFunc(3*time.Second, func() { close(stopping) })
		if answer, took := desktop.polls(t.Context(), "open"); answer != `{"state":"open"}` || took != 3*time.Second {
			t.Errorf("%s after %v", answer, took)
		}
		w.state(gateway.TicketOpen)
		time.Sleep(time.Second)
	})
}
