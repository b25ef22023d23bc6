package api

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/internal/limit"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/store/sqlite"
	"github.com/weigate/weigate/internal/store/sqlite/sqlitetest"
)

// fixture is the API on a SQLite database in memory, behind a router as in the gateway.
type fixture struct {
	t       *testing.T
	store   *sqlite.Store
	service *administration.Service
	handler http.Handler
	address string // of the client
	log     logBuffer

	mu   sync.Mutex
	time time.Time
	keys []string // all keys that were made; none may be logged
}

// logBuffer is a buffer that several goroutines may write to.
type logBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// newFixture returns a fixture. wrap replaces the store of the service.
func newFixture(t *testing.T, wrap ...func(administration.Store) administration.Store) *fixture {
	t.Helper()
	f := &fixture{t: t, store: sqlitetest.New(t), address: "203.0.113.7:1", time: time.Date(2026, 11, 29, 8, 0, 0, 0,
		time.UTC)}
	var store administration.Store = f.store
	for _, w := range wrap {
		store = w(store)
	}
	var err error
	f.service, err = administration.New(administration.Config{
		Store: store, URL: "https://auth.example.com", Now: f.now,
		Apps: []administration.App{{
			App: gateway.App{ID: "wiki", Kind: gateway.AppOIDC, Name: "Wiki",
				Access: gateway.AccessRule{Rule: gateway.AccessApproved}},
			Settings: []administration.Setting{{Key: "redirect_uris", Value: "https://wiki.example.com/callback"}},
		}},
		Notices:    []string{"chat"},
		TestNotice: func(context.Context, string) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	limits := limit.NewLimiter(nil)
	logger := slog.New(slog.NewTextHandler(&f.log, nil))
	h, err := New(Config{
		URL: "https://auth.example.com", Service: f.service, Limits: limits, RequestID: route.RequestID, Logger: logger,
		Now: f.now,
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := route.NewMux()
	h.Mount(mux)
	router, err := route.New(route.Config{
		Mux: mux, Origin: "https://auth.example.com", CookiePrefixes: []string{"__Host-weigate"}, Limits: limits,
		Fail:   h.Fail,
		Logger: logger, Now: f.now,
	})
	if err != nil {
		t.Fatal(err)
	}
	f.handler = leaktest.Watch(t, router.Wrap(mux))
	t.Cleanup(func() {
		for _, key := range f.keys {
			if strings.Contains(f.log.String(), key) || strings.Contains(f.log.String(), key[len(gateway.APIKeyPrefix):]) {
				t.Error("the log contains an API key")
			}
		}
	})
	return f
}

func (f *fixture) now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.time
}

func (f *fixture) pass(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.time = f.time.Add(d)
}

// user signs a user in at WeChat for the first time, who is pending then.
func (f *fixture) user(openID string) gateway.User {
	f.t.Helper()
	f.pass(time.Second)
	u, _, err := f.store.RecordSignIn(f.t.Context(), gateway.SignIn{
		Connector: "main", AppID: wechatApp, OpenID: openID, At: f.now(), InitialStatus: gateway.Pending,
		Profile: &gateway.Profile{Nickname: openID},
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return u
}

// admin makes an administrator.
func (f *fixture) admin(openID string) gateway.User {
	f.t.Helper()
	u := f.user(openID)
	u, err := f.store.UpdateUser(f.t.Context(), u.ID, f.now(), func(u *gateway.User) error {
		u.Status, u.Admin = gateway.Active, true
		return nil
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return u
}

// key makes an API key by the command line.
func (f *fixture) key(scopes ...string) string {
	f.t.Helper()
	return f.keyOf(gateway.ActorCommand, 0, scopes...)
}

func (f *fixture) keyOf(maker string, expires time.Duration, scopes ...string) string {
	f.t.Helper()
	_, key, err := f.service.CreateAPIKey(f.t.Context(), administration.Actor{ID: maker},
		administration.NewAPIKey{Name: "test", Scopes: scopes, Expires: expires})
	if err != nil {
		f.t.Fatal(err)
	}
	f.keys = append(f.keys, key)
	return key
}

// response is a response of the API.
type response struct {
	*httptest.ResponseRecorder
	problem Problem
}

// call sends a request with a key and a body in JSON. body may be a string, or a value to encode.
func (f *fixture) call(key, method, path string, body any, headers ...string) response {
	f.t.Helper()
	r := f.request(method, path, body)
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return f.send(r)
}

func (f *fixture) request(method, path string, body any) *http.Request {
	f.t.Helper()
	text, isText := body.(string)
	if !isText && body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			f.t.Fatal(err)
		}
		text = string(encoded)
	}
	r := httptest.NewRequest(method, Path+path, strings.NewReader(text))
	r.RemoteAddr = f.address
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	return r
}

func (f *fixture) send(r *http.Request) response {
	f.t.Helper()
	w := response{ResponseRecorder: httptest.NewRecorder()}
	f.handler.ServeHTTP(w, r)
	if w.Code >= 400 && r.Method != http.MethodHead {
		if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
			f.t.Errorf("%s %s: %d with Content-Type %s", r.Method, r.URL.Path, w.Code, got)
		}
		if err := json.Unmarshal(w.Body.Bytes(), &w.problem); err != nil {
			f.t.Errorf("%s %s: %v", r.Method, r.URL.Path, err)
		}
		if p := w.problem; p.Status != w.Code || p.Title == "" || p.Action == "" ||
			p.RequestID != w.Header().Get("X-Request-Id") {
			f.t.Errorf("%s %s: incomplete problem %+v", r.Method, r.URL.Path, p)
		}
	}
	if got := w.Header().Get("Access-Control-Allow-Origin"); got != "" {
		f.t.Errorf("%s %s: Access-Control-Allow-Origin %s", r.Method, r.URL.Path, got)
	}
	return w
}

// want fails the test if the response does not have the status, and the code of a problem.
func (w response) want(t *testing.T, what string, status int, code string) {
	t.Helper()
	if w.Code != status || w.problem.Code != code {
		t.Errorf("%s: %d %s %s, want %d %s", what, w.Code, w.problem.Code, w.problem.Detail, status, code)
	}
}

// decode decodes the body of a response.
func decode[T any](t *testing.T, w response) (out T) {
	t.Helper()
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || w.Code >= 300 {
		t.Fatalf("%d %v: %s", w.Code, err, w.Body)
	}
	return out
}

// example returns the path and the body of an operation with the values of its examples.
func example(o operation) (path string, body any) {
	path = wildcard.ReplaceAllStringFunc(o.path, func(m string) string { return pathExamples[m[1:len(m)-1]] })
	separator := "?"
	for _, p := range o.query {
		if p.required {
			path += separator + p.name + "=" + p.like.(string)
			separator = "&"
		}
	}
	if o.body != nil {
		body = examples[reflect.TypeOf(o.body)]
	}
	return path, body
}
