package storetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// manyRequests are limits that a case does not reach.
var manyRequests = gateway.SavedRequestLimits{Total: 1000, PerNetwork: 1000, PerBrowser: 1000}

// newSavedRequest returns request n of a browser. Requests with greater numbers expire later, so
// they count as newer.
func newSavedRequest(network, browser string, n int) gateway.SavedRequest {
	return gateway.SavedRequest{
		Hash: hash(fmt.Sprint("request ", network, browser, n)), Browser: hash("browser " + browser), Network: network,
		Address: fmt.Sprint("/oauth2/authorize?n=", n), CreatedAt: noon,
		ExpiresAt: after(time.Hour + time.Duration(n)*time.Microsecond),
	}
}

// save stores a request.
func (f *fixture) save(r gateway.SavedRequest, limits gateway.SavedRequestLimits) {
	f.t.Helper()
	wantNoError(f.t, f.store.SaveRequest(f.t.Context(), r, noon, limits))
}

// saved returns how many of the requests still exist.
func (f *fixture) saved(requests ...gateway.SavedRequest) (n int) {
	f.t.Helper()
	for _, r := range requests {
		if _, err := f.store.SavedRequest(f.t.Context(), r.Hash, r.Browser, noon); err == nil {
			n++
		}
	}
	return n
}

// savedRequestCases test requests that are stored because their addresses are too long for a
// cookie.
var savedRequestCases = []testCase{
	{
		name:   "the bytes of a request come back to the browser that stored it",
		reason: "an app would reject a changed state parameter, or another browser would continue the request",
		run: func(t *testing.T, f *fixture) {
			request := newSavedRequest("n", "alice", 1)
			request.Address += "&state=" + strings.Repeat("%2F+~é", 1200)
			f.save(request, manyRequests)
			got, err := f.store.SavedRequest(t.Context(), request.Hash, request.Browser, noon)
			wantNoError(t, err)
			wantEqual(t, "request", got, request)
			_, err = f.store.SavedRequest(t.Context(), request.Hash, hash("browser mallory"), noon)
			wantError(t, err, gateway.ErrNotFound)
			_, err = f.store.SavedRequest(t.Context(), hash("another"), request.Browser, noon)
			wantError(t, err, gateway.ErrNotFound)
			other := request
			other.Browser = hash("browser mallory")
			wantError(t, f.store.SaveRequest(t.Context(), other, noon, manyRequests), gateway.ErrConflict)
			wantEqual(t, "requests", f.saved(request), 1)
			for _, incomplete := range []func(*gateway.SavedRequest){
				func(r *gateway.SavedRequest) { r.Hash = [32]byte{} },
				func(r *gateway.SavedRequest) { r.Browser = [32]byte{} },
				func(r *gateway.SavedRequest) { r.Address = "" },
				func(r *gateway.SavedRequest) { r.ExpiresAt = time.Time{} },
			} {
				changed := newSavedRequest("n", "alice", 2)
				incomplete(&changed)
				if f.store.SaveRequest(t.Context(), changed, noon, manyRequests) == nil {
					t.Errorf("stored %+v", changed)
				}
			}
		},
	},
	{
		name:   "storing a request again extends it, and a sweep deletes it when it has expired",
		reason: "a user who waits for an approval would lose the request, or the table would grow",
		run: func(t *testing.T, f *fixture) {
			request := newSavedRequest("n", "alice", 1)
			f.save(request, manyRequests)
			later := request
			later.ExpiresAt = after(2 * time.Hour)
			f.save(later, manyRequests)
			f.save(request, manyRequests) // does not shorten its lifetime
			got, err := f.store.SavedRequest(t.Context(), request.Hash, request.Browser, after(119*time.Minute))
			wantNoError(t, err)
			wantEqual(t, "expiry", got.ExpiresAt, later.ExpiresAt)
			_, err = f.store.SavedRequest(t.Context(), request.Hash, request.Browser, after(2*time.Hour))
			wantError(t, err, gateway.ErrExpired)
			_, err = f.store.SavedRequest(t.Context(), request.Hash, hash("browser mallory"), after(2*time.Hour))
			wantEqual(t, "error for another browser", err, gateway.ErrNotFound)
			wantEqual(t, "swept", f.sweep(after(2*time.Hour), time.Time{}, 10), 1)
		},
	},
	{
		name:   "a browser and a network above their limits replace their own requests",
		reason: "one network would fill the disk, or none of its users could sign in",
		run: func(t *testing.T, f *fixture) {
			limits := gateway.SavedRequestLimits{Total: 1000, PerNetwork: 8, PerBrowser: 3}
			other := newSavedRequest("other", "bob", 0)
			f.save(other, limits)
			var ofBrowser, ofNetwork []gateway.SavedRequest
			for n := range 5 {
				ofBrowser = append(ofBrowser, newSavedRequest("n", "alice", n))
				f.save(ofBrowser[n], limits)
			}
			wantEqual(t, "requests of the browser", f.saved(ofBrowser...), 3)
			wantEqual(t, "the newest", f.saved(ofBrowser[2:]...), 3)
			for n := range 20 {
				ofNetwork = append(ofNetwork, newSavedRequest("n", fmt.Sprint("flood ", n), 100+n))
				f.save(ofNetwork[n], limits)
				if all := f.saved(append(ofNetwork, ofBrowser...)...); all > limits.PerNetwork {
					t.Fatalf("%d requests of one network", all)
				}
			}
			wantEqual(t, "the newest of the network", f.saved(ofNetwork[12:]...), 8)
			wantEqual(t, "another network", f.saved(other), 1)
		},
	},
	{
		name:   "a flood of long requests from twenty networks leaves the requests of others",
		reason: "a few rented addresses would end every sign-in with a long request",
		run: func(t *testing.T, f *fixture) {
			limits := gateway.SavedRequestLimits{Total: 64, PerNetwork: 1000, PerBrowser: 1000}
			honest := []gateway.SavedRequest{newSavedRequest("honest", "alice", 0), newSavedRequest("", "bob", 1)}
			for _, request := range honest {
				f.save(request, limits)
			}
			var flood []gateway.SavedRequest
			for n := range 200 {
				flood = append(flood, newSavedRequest(fmt.Sprint("flood ", n%20), "mallory", n))
				f.save(flood[n], limits)
			}
			if n := f.saved(append(flood, honest...)...); n > limits.Total {
				t.Errorf("%d requests", n)
			}
			wantEqual(t, "requests of others", f.saved(honest...), 2)
		},
	},
	{
		name:       "concurrent requests exceed a limit for a moment only",
		reason:     "a flood over many connections must not fill the disk, and must not stop the store",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			stores := f.handles()
			limits := gateway.SavedRequestLimits{Total: 10, PerNetwork: 7, PerBrowser: 5}
			requests := make([]gateway.SavedRequest, f.concurrency())
			f.concurrently(f.concurrency(), func(i int) {
				requests[i] = newSavedRequest(fmt.Sprint("n", i%3), fmt.Sprint("b", i%4), i)
				if err := stores[i%2].SaveRequest(t.Context(), requests[i], noon, limits); err != nil {
					t.Error(err)
				}
			})
			for n := range 3 {
				request := newSavedRequest(fmt.Sprint("n", n), fmt.Sprint("last ", n), 1000)
				f.save(request, limits)
				wantEqual(t, "the last request", f.saved(request), 1)
			}
			if n := f.saved(requests...); n > limits.Total {
				t.Errorf("%d requests, want at most %d", n, limits.Total)
			}
		},
	},
}
