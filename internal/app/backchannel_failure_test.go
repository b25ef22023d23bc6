package app_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/gateway"
)

// An app that never answers delays nobody (ADMIN-FIELD D11). When it refuses the token, the
// administrator sees why, and can send it again (D10).
func TestAppThatRefusesALogoutTokenIsReported(t *testing.T) {
	t.Parallel()
	refuse := make(chan bool, 1)
	refuse <- true
	accepted := make(chan string, 1)
	app := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		select {
		case <-refuse:
			rw.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(rw, `{"error":"invalid_request"}`)
		default:
			accepted <- r.PostFormValue("logout_token")
		}
	}))
	t.Cleanup(app.Close)
	w := newFixture(t, withBackchannelLogout(app.URL))
	alice := w.phone("alice")
	_, claims := w.appSignIn(alice)
	w.post(alice, "/sign-out", nil)
	var failed []gateway.Delivery
	for deadline := time.Now().Add(30 * time.Second); len(failed) == 0 && time.Now().Before(deadline); {
		var err error
		failed, err = w.store.Deliveries(t.Context(), gateway.DeliveryQuery{State: gateway.DeliveryFailed})
		if err != nil {
			t.Fatal(err)
		}
	}
	events, err := w.store.Events(t.Context(), gateway.EventQuery{Kind: "logout_not_delivered"})
	if err != nil || len(failed) != 1 || len(events) != 1 {
		t.Fatalf("deliveries %v, events %v, %v", failed, events, err)
	}
	const reason = "the app refused the logout token: status 400, invalid_request"
	if e := events[0]; e.App != "sample" || e.UserID != claims["sub"] || e.Outcome != "failed" || e.Detail != reason ||
		failed[0].LastError != reason || failed[0].Attempts != 1 {
		t.Errorf("event %+v, delivery %+v", e, failed[0])
	}
	if err := w.store.RetryDelivery(t.Context(), failed[0].ID, w.clock.Now(),
		gateway.Event{Kind: administration.EventDeliveryRetried, Outcome: "ok"}); err != nil {
		t.Fatal(err)
	}
	select {
	case token := <-accepted:
		if claimsOf(t, token)["sid"] != claims["sid"] {
			t.Error("another session")
		}
	case <-time.After(30 * time.Second):
		t.Error("not sent again")
	}
}
