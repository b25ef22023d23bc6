package app_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/gateway"
)

// When an app refuses the token, the administrator sees why, and can send it again (ADMIN-FIELD D10).
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
	for deadline := time.Now().Add(2 * time.Minute); len(failed) == 0 && time.Now().Before(deadline); {
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
		gateway.Event{Kind: administration.EventDeliveryRetried, Outcome: "queued"}); err != nil {
		t.Fatal(err)
	}
	select {
	case token := <-accepted:
		if claimsOf(t, token)["sid"] != claims["sid"] {
			t.Error("another session")
		}
	case <-time.After(2 * time.Minute):
		t.Error("not sent again")
	}
}

// TestSignOutWaitsForNoneOfFiftyApps: the apps answer nothing until the sign-out is complete. They are
// told some at a time (ADMIN-FIELD D11).
func TestSignOutWaitsForNoneOfFiftyApps(t *testing.T) {
	t.Parallel()
	const apps, parallel = 50, 8
	release, busy := make(chan struct{}), make(chan struct{}, apps)
	var mu sync.Mutex
	most, told := 0, map[any]int{}
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		busy <- struct{}{}
		mu.Lock()
		most = max(most, len(busy))
		told[claimsOf(t, r.PostFormValue("logout_token"))["aud"]]++
		mu.Unlock()
		<-release
		<-busy
	}))
	t.Cleanup(receiver.Close)
	w := newFixture(t, withBackchannelLogout(receiver.URL), func(w *gatewayFixture) {
		for i := range apps {
			c := w.client(fmt.Sprint("app", i), gateway.AccessSignedIn)
			c.BackchannelLogoutURI = receiver.URL
			w.config.Apps = append(w.config.Apps, c)
		}
	})
	alice, now := w.phone("alice"), w.clock.Now()
	alice.WantPage(alice.Must(alice.Open(t.Context(), w.url+"/sign-in?return=/")), "own", 200)
	user := w.user(gateway.Pending)
	sessions, err := w.store.UserSessions(t.Context(), user.ID, now)
	if err != nil || len(sessions) != 1 {
		t.Fatalf("sessions %v, %v", sessions, err)
	}
	for i := range apps { // as the authorization endpoint does
		err := w.store.PutCode(t.Context(), gateway.Code{
			Hash: [32]byte{1, byte(i)}, LogoutSessionID: "sid", ExpiresAt: now.Add(time.Minute),
			Grant: gateway.Grant{ID: gateway.NewID(), App: fmt.Sprint("app", i), UserID: user.ID, Subject: user.ID,
				Session: sessions[0].First, CreatedAt: now, ExpiresAt: now.Add(time.Minute)},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	w.post(alice, "/sign-out", nil)
	queued, err := w.store.Deliveries(t.Context(),
		gateway.DeliveryQuery{State: gateway.DeliveryWaiting, UserID: user.ID, Limit: 500})
	close(release)
	if err != nil || len(queued) != apps {
		t.Errorf("%d apps will be told, %v", len(queued), err)
	}
	w.delivered(t)
	mu.Lock()
	defer mu.Unlock()
	if len(told) != apps || most > parallel {
		t.Errorf("%d apps were told, at most %d at a time", len(told), most)
	}
}
