package wechat_test

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	texttemplate "text/template"

	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/wechat"
)

func TestSecretDoesNotPrint(t *testing.T) {
	t.Parallel()
	secret := wechat.Secret(leaktest.Secret)
	type holder struct {
		Name  string
		Value wechat.Secret
		Deep  *wechat.Secret
		List  []wechat.Secret
		Map   map[string]wechat.Secret
		Any   any
	}
	h := holder{"x", secret, &secret, []wechat.Secret{secret}, map[string]wechat.Secret{"a": secret}, secret}
	leaktest.Check(
		t,
		"a secret",
		secret,
		&secret,
		h,
		&h,
		[]holder{h},
		map[wechat.Secret]int{},
		[]*wechat.Token{{AccessToken: secret}},
		wechat.Token{
			RefreshToken: secret,
		},
		&wechat.Client{Secret: secret},
		[]*wechat.Client{{Secret: secret}},
		struct{ Client *wechat.Client }{&wechat.Client{Secret: secret}},
	)
	for _, verb := range "vsqxXdtbcoUeEfFgGpT" {
		if verb == 'p' || verb == 'T' {
			continue // these print a pointer and a type
		}
		if got := fmt.Sprintf("%"+string(verb), secret); got != "[redacted]" {
			t.Errorf("%%%c prints %s", verb, got)
		}
	}
	var out bytes.Buffer
	_, _ = fmt.Fprintf(
		&out,
		"%10s|%-10.3q|%+v|%#v|% x|%v",
		secret,
		secret,
		secret,
		secret,
		secret,
		errors.New("x: "+secret.String()),
	)
	_ = json.NewEncoder(&out).Encode(h)
	_ = xml.NewEncoder(&out).Encode(struct{ V wechat.Secret }{secret})
	_ = template.Must(
		template.New("").Parse(`<a href="/?x={{.}}" title="{{.}}">{{.}}</a><script>let x={{.}}</script>`),
	).Execute(
		&out,
		secret,
	)
	_ = texttemplate.Must(texttemplate.New("").Parse(`{{.}} {{printf "%s" .}}`)).Execute(&out, secret)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "secret", secret, "holder", h, slog.Group("g", "s", secret))
	if found := leaktest.Find(out.Bytes()); found != "" {
		t.Errorf("found %s in %s", found, out.String())
	}
	if string(secret) != leaktest.Secret {
		t.Error("string(s) does not reveal it")
	}
	if _, ok := slog.AnyValue(secret).Resolve().Any().(wechat.Secret); ok {
		t.Error("a log handler of somebody's own gets the Secret itself")
	}
	var back wechat.Secret
	if err := json.Unmarshal([]byte(`"abc"`), &back); err != nil || back != "abc" {
		t.Errorf("read from JSON: %q, %v", string(back), err)
	}
	if fmt.Sprint((*wechat.Client)(nil), (*wechat.Token)(nil)) != "<nil> <nil>" {
		t.Error("printing nil panics")
	}
}

// loud is an error of a RoundTripper whose text contains the request URL.
type loud struct{ url string }

func (l loud) Error() string { return "proxy could not fetch " + l.url }

// Secret, code and tokens are in the URL, and net/http puts the URL into its errors. Other
// libraries show these errors to browsers; an attacker can cause one with a code such as %0a.
func TestSecretStaysOutOfErrors(t *testing.T) {
	t.Parallel()
	failures := map[string]roundTrip{
		"a network error": func(r *http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF },
		"a url.Error": func(r *http.Request) (*http.Response, error) {
			return nil, &url.Error{Op: "Get", URL: r.URL.String(), Err: io.EOF}
		},
		"a wrapped url.Error": func(r *http.Request) (*http.Response, error) {
			return nil, fmt.Errorf("tracing: %w", &url.Error{Op: "Get", URL: r.URL.String(), Err: io.EOF})
		},
		"an error with the address": func(r *http.Request) (*http.Response, error) { return nil, loud{r.URL.String()} },
		"an error with the address, joined": func(r *http.Request) (*http.Response, error) {
			return nil, errors.Join(io.EOF, loud{r.URL.String()})
		},
		"an echo in errmsg": func(r *http.Request) (*http.Response, error) {
			return respond(
				r,
				200,
				fmt.Sprintf(`{"errcode":40013,"errmsg":"%s, rid: 61783524-6e9fd6bc-59d4a1b8"}`, r.URL),
			), nil
		},
		"an echo in the request id": func(r *http.Request) (*http.Response, error) {
			return respond(r, 200, fmt.Sprintf(`{"errcode":-1,"errmsg":"x, hints: [ req_id: %s ]"}`, r.URL)), nil
		},
		"an echo on a page": func(r *http.Request) (*http.Response, error) {
			return respond(r, 200, "<html>"+r.URL.String()), nil
		},
		"an echo in broken JSON": func(r *http.Request) (*http.Response, error) {
			return respond(r, 200, `{"a":`+r.URL.String()), nil
		},
		"an echo in a number": func(r *http.Request) (*http.Response, error) {
			return respond(r, 200, `{"errcode":"`+r.URL.String()+`"}`), nil
		},
		"an echo in Location": func(r *http.Request) (*http.Response, error) {
			resp := respond(r, 302, "")
			resp.Header.Set("Location", "http://a b/"+r.URL.String())
			return resp, nil
		},
		"a status line": func(r *http.Request) (*http.Response, error) {
			resp := respond(r, 500, "")
			resp.Status = "500 " + r.URL.String()
			return resp, nil
		},
		"a body that fails": func(r *http.Request) (*http.Response, error) {
			resp := respond(r, 200, "")
			resp.ContentLength, resp.Body = 10, io.NopCloser(failing{loud{r.URL.String()}})
			return resp, nil
		},
	}
	for name, fail := range failures {
		for _, call := range calls {
			t.Run(call.name+" "+name, func(t *testing.T) {
				t.Parallel()
				c := clientOf(fail)
				c.OnCall = func(_ context.Context, call wechat.Call) {
					leaktest.Check(t, "the Call of OnCall", call, call.Err)
				}
				err := instantly(t, c, call.call)
				var e *wechat.Error
				if !errors.As(err, &e) {
					t.Fatalf("got %T", err)
				}
				leaktest.Check(t, "the error", err, *e)
				leaktest.Logger(t).Error("sign-in failed", "err", err, "value", *e)
			})
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// errors.Is works on a redacted error.
func TestMaskedErrorKeepsItsCause(t *testing.T) {
	t.Parallel()
	c := clientOf(func(r *http.Request) (*http.Response, error) {
		return nil, fmt.Errorf("%s: %w", r.URL, context.DeadlineExceeded)
	})
	_, err := c.Exchange(t.Context(), code)
	if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, wechat.ErrTransport) ||
		errors.Is(err, context.Canceled) ||
		!strings.Contains(err.Error(), "[redacted]") {
		t.Errorf("got %v", err)
	}
}

// A followed redirect would send the secret to another host in the Referer. CheckRedirect of a
// client that the caller sets is ignored.
func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the redirect was followed, Referer %q", r.Referer())
	}))
	t.Cleanup(elsewhere.Close)
	followed := false
	own := &http.Client{
		Transport:     &http.Transport{},
		CheckRedirect: func(*http.Request, []*http.Request) error { followed = true; return nil },
	}
	t.Cleanup(own.CloseIdleConnections)
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, given := range []*http.Client{nil, own} {
			c := served(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, status) })
			c.HTTPClient = given
			for _, call := range calls {
				err := call.call(t.Context(), c)
				var e *wechat.Error
				if !errors.As(err, &e) || !errors.Is(err, wechat.ErrHTTPStatus) || e.HTTPStatus != status {
					t.Errorf("%s, %d: %v", call.name, status, err)
				}
				checkClass(t, err, wechat.ErrConfiguration)
			}
		}
	}
	if followed || own.CheckRedirect == nil {
		t.Error("the given client was asked, or changed")
	}
}
