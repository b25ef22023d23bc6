package apiclient

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/app"
	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/internal/store/sqlite"
	"github.com/weigate/weigate/internal/store/sqlite/sqlitetest"
	"github.com/weigate/weigate/wechat"
)

const appID = "wx0123456789abcdef"

// running is a gateway on a loopback port, whose secrets are planted values.
type running struct {
	t       *testing.T
	url     string
	store   *sqlite.Store
	service *administration.Service
	secrets leaktest.Values
	check   *checker
}

func start(t *testing.T) *running {
	t.Helper()
	r := &running{t: t, store: sqlitetest.New(t)}
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		handler.ServeHTTP(w,
			req)
	}))
	t.Cleanup(server.Close)
	r.url = server.URL
	c := &config.Config{
		URL: server.URL, Session: config.Session{Idle: time.Hour, Max: time.Hour}, Events: config.Events{Keep: time.Hour},
		WeChat: []config.Connector{{
			Name: "main", Kind: config.OfficialAccount, AppID: appID, Secret: leaktest.Secret,
			API: "http://127.0.0.1:1", Open: "http://127.0.0.1:1",
		}},
		Notify: []config.Notify{{Name: "chat", Kind: config.NotifyJSON, URL: "https://127.0.0.1:1/" + leaktest.Secret}},
		Apps: []config.App{{
			App: gateway.App{ID: "wiki", Kind: gateway.AppOIDC, Name: "Wiki",
				Access: gateway.AccessRule{Rule: gateway.AccessApproved}},
			Secrets:      []wechat.Secret{leaktest.Secret + " of the app"},
			RedirectURIs: []string{"https://wiki.example.com/callback"},
			IDTokenAlg:   keys.ES256, Subject: "user",
		}},
	}
	a, err := app.New(t.Context(), app.Options{
		Config: c, Store: r.store, Sealer: sqlitetest.Sealer(), Logger: leaktest.Logger(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	handler = leaktest.Watch(t, a.Handler())
	if r.service, err = app.NewAdministration(c, app.AdministrationOptions{Store: r.store}); err != nil {
		t.Fatal(err)
	}
	r.check = newChecker(t, r)
	return r
}

// key makes an API key with all scopes.
func (r *running) key() string {
	r.t.Helper()
	_, key, err := r.service.CreateAPIKey(r.t.Context(), administration.Actor{ID: gateway.ActorCommand},
		administration.NewAPIKey{Name: "test", Scopes: administration.Scopes()})
	if err != nil {
		r.t.Fatal(err)
	}
	r.secrets.Add("an API key", key)
	return key
}

// user signs a user in at WeChat, who then waits for the app wiki.
func (r *running) user(openID string) gateway.User {
	r.t.Helper()
	ctx, now := r.t.Context(), time.Now()
	u, _, err := r.store.RecordSignIn(ctx, gateway.SignIn{
		Connector: "main", AppID: appID, OpenID: openID, At: now, InitialStatus: gateway.Pending,
		Profile: &gateway.Profile{Nickname: "<b>" + openID},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	_, _, err = r.store.RequestAccess(ctx, gateway.AccessRequest{UserID: u.ID, App: "wiki", Method: "wechat",
		RequestedAt: now})
	if err != nil {
		r.t.Fatal(err)
	}
	return u
}

// session signs a user in, in a browser.
func (r *running) session(u gateway.User, openID string) {
	r.t.Helper()
	now := time.Now()
	err := r.store.PutSession(r.t.Context(), gateway.Session{
		Hash: [32]byte{byte(now.Nanosecond()), 1}, UserID: u.ID, Connector: "main", AppID: appID, OpenID: openID,
		Method:   "wechat",
		AuthTime: now, CreatedAt: now, SeenAt: now, ExpiresAt: now.Add(time.Hour),
	}, now)
	if err != nil {
		r.t.Fatal(err)
	}
}

// checker is an HTTP client that validates each request and response against the OpenAPI document,
// records the operations, and searches responses for secrets.
type checker struct {
	r      *running
	router routers.Router

	mu     sync.Mutex
	called map[string]bool // operation ids that have succeeded
}

func newChecker(t *testing.T, r *running) *checker {
	t.Helper()
	doc := document(t)
	doc.Servers = openapi3.Servers{{URL: r.url + "/api/v1"}}
	router, err := legacy.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	return &checker{r: r, router: router, called: map[string]bool{}}
}

// Do sends a request. The generated client calls it.
func (c *checker) Do(req *http.Request) (*http.Response, error) {
	t := c.r.t
	t.Helper()
	route, pathParams, err := c.router.FindRoute(req)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", req.Method, req.URL.Path, err)
	}
	input := &openapi3filter.RequestValidationInput{
		Request: req, PathParams: pathParams, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc},
	}
	if err := openapi3filter.ValidateRequest(req.Context(), input); err != nil {
		t.Errorf("%s: request: %v", route.Operation.OperationID, err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	output := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: res.StatusCode, Header: res.Header,
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	}
	output.SetBodyBytes(body)
	if err := openapi3filter.ValidateResponse(req.Context(), output); err != nil {
		t.Errorf("%s: response %d: %v\n%s", route.Operation.OperationID, res.StatusCode, err, body)
	}
	if found := c.r.secrets.Find(body); found != "" {
		t.Errorf("%s: the response contains %s", route.Operation.OperationID, found)
	}
	if res.StatusCode < 300 {
		c.mu.Lock()
		c.called[route.Operation.OperationID] = true
		c.mu.Unlock()
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	return res, nil
}
