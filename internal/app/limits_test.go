package app_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// Each code is a row. A browser that is signed in gets as many as a person could want, and not as many as a loop could.
func TestFloodOfCodesForOnePersonEnds(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	alice := w.phone("alice")
	w.at(alice.on(alice.Open(t.Context(), w.authorize("sample"))), w.app.URL+"/sample")
	cookies := alice.Cookies(w.url)
	got := map[int]int{}
	for range 600 {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, w.authorize("sample"), nil)
		for _, c := range cookies {
			r.AddCookie(c)
		}
		rec := httptest.NewRecorder()
		w.apps[0].Handler().ServeHTTP(rec, r)
		got[rec.Code]++
	}
	if got[http.StatusSeeOther] < 250 || got[http.StatusTooManyRequests] < 100 || len(got) != 2 {
		t.Errorf("600 requests were answered %v", got)
	}
}
