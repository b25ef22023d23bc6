package login_test

import (
	"context"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"github.com/weigate/weigate/login"
)

func TestObserveHearsBeginningsAndEnds(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var heard []login.Event
	s := newFixture(t, func(c *login.Config) {
		c.OnEvent = func(_ context.Context, o login.Event) {
			mu.Lock()
			defer mu.Unlock()
			heard = append(heard, o)
		}
	})
	b := s.browser()
	b.signIn("a")
	b.get("/wechat/callback?state=unknown")
	want := []login.Event{{Outcome: "begun", Method: login.MethodWeChat},
		{Outcome: "signed_in", Method: login.MethodWeChat}}
	mu.Lock()
	defer mu.Unlock()
	// The stray callback comes from a browser that is signed in, so it is sent home and counts as
	// nothing.
	if !slices.Equal(heard, want) {
		t.Errorf("heard %+v, want %+v", heard, want)
	}
}

// A program that answers the sign-out itself gets what POST /sign-out does.
func TestSignOutByAProgram(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	b := s.browser()
	b.signIn("a")
	r := b.request("POST", "/elsewhere", nil)
	w := httptest.NewRecorder()
	if err := s.handler.SignOut(w, r); err != nil {
		t.Fatal(err)
	}
	if _, err := s.handler.Session(r); err == nil {
		t.Error("the session lives on")
	}
	cleared := 0
	for _, c := range w.Result().Cookies() {
		if c.MaxAge < 0 {
			cleared++
		}
	}
	if cleared < 2 || w.Body.Len() != 0 {
		t.Errorf("%d cookies cleared, body %q", cleared, w.Body)
	}
	if err := s.handler.SignOut(httptest.NewRecorder(), r); err != nil {
		t.Errorf("signing out twice: %v", err)
	}
}
