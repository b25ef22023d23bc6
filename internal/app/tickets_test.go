package app_test

import (
	"crypto/sha256"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/cookie"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/limit"
)

// TestFloodFromTwentyNetworksStopsNoDesktop fills the store with as many tickets of sign-ins by scan
// as there may be, from twenty networks. While the flood continues, at a multiple of what the rates of
// the routes allow, a desktop of another network is signed in. When the limit was one for all, the
// desktop saw "Try again in a moment" for as long as the flood continued.
func TestFloodFromTwentyNetworksStopsNoDesktop(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, options ...option) {
		// A twentieth of the limits of package limit.
		limits := gateway.TicketLimits{Total: limit.Tickets.Max / 20, PerNetwork: limit.TicketsPerNetwork.Max / 20}
		w := newFixture(t, append(options, func(w *gatewayFixture) { w.options.SetTicketLimits(limits) })...)
		stored := 0
		flood := func(perNetwork int) {
			t.Helper()
			now := w.clock.Now()
			var all sync.WaitGroup
			for network := range 20 {
				all.Go(func() {
					for i := range perNetwork {
						name := fmt.Sprint(network, " ", stored+i)
						err := w.store.PutTicket(t.Context(), gateway.Ticket{
							Hash: sha256.Sum256([]byte("t" + name)), Desktop: sha256.Sum256([]byte("d" + name)), Number: "42",
							Network: fmt.Sprint("network ", network), CreatedAt: now, ExpiresAt: now.Add(2 * time.Minute),
						}, now, limits)
						if err != nil {
							t.Errorf("ticket %s: %v", name, err)
						}
					}
				})
			}
			all.Wait()
			stored += perNetwork
			w.clock.Advance(time.Second)
		}
		start := time.Now()
		flood(limits.Total / 20)
		t.Logf("%d tickets in %v", limits.Total, time.Since(start).Round(time.Millisecond))
		desk, alice := w.plainBrowser(uaDesktop), w.phone("alice")
		start = time.Now()
		flood(10)
		t.Logf("200 tickets above the limit in %v", time.Since(start).Round(time.Millisecond))
		start = time.Now()
		desk.open(w.authorize("sample")).want("scan_code", 200)
		t.Logf("the page with the QR code in %v", time.Since(start).Round(time.Millisecond))
		flood(5)
		alice.scans(desk)
		flood(5)
		alice.enters(desk.reloaded().want("scan_scanned", 200).number())
		flood(5)
		desk.reloaded().goesOn().at(w.app.URL + "/sample")
	})
}

// The router and the readers of cookies have one limit.
func TestCookiesHaveOneLimit(t *testing.T) {
	t.Parallel()
	if cookie.MaxSent != limit.Cookies.Max {
		t.Errorf("cookies are read up to %d, and kept up to %d", cookie.MaxSent, limit.Cookies.Max)
	}
}
