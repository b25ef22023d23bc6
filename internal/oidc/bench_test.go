package oidc_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/store/postgres"
	"github.com/weigate/weigate/internal/store/postgres/postgrestest"
	"github.com/weigate/weigate/internal/store/sqlite"
)

// BenchmarkLogin measures a complete sign-in of a user with a session: authorize, code, tokens,
// userinfo. The sessions are in memory; in the first case the store is too, which measures the
// provider alone. BenchmarkSignature measures the part that no provider can avoid. Sixteen users
// sign in concurrently, so that a database can group their commits.
func BenchmarkLogin(b *testing.B) {
	open := map[string]func(*testing.B) store{
		"memory": func(b *testing.B) store { return newMemory(b) },
		"sqlite": func(b *testing.B) store {
			s, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "weigate.db"), sqlite.Options{})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { s.Close() })
			return s
		},
		"postgres": func(b *testing.B) store {
			s, err := postgres.Open(b.Context(), postgrestest.URL(b), postgres.Options{})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { s.Close() })
			return s
		},
	}
	for _, name := range []string{"memory", "sqlite", "postgres"} {
		for _, alg := range []string{keys.RS256, keys.ES256} {
			b.Run(name+"/"+alg, func(b *testing.B) {
				e := newFixture(b, open[name](b), alg)
				mux := route.NewMux()
				e.handler.Mount(mux)
				var cookies []*http.Cookie
				at, _ := url.Parse(e.issuer)
				for range concurrentUsers {
					who := e.createUser("alice")
					e.signIn.next = &who
					signedIn := e.browser()
					signedIn.code()
					cookies = append(cookies, signedIn.client.Jar.Cookies(at)[0])
				}
				var next atomic.Int64
				query := e.request("scope", "openid profile", "code_challenge", challenge, "code_challenge_method",
					"S256").Encode()
				auth := basic(e.app, secret)
				b.ReportAllocs()
				b.SetParallelism(concurrentUsers / runtime.GOMAXPROCS(0))
				b.ResetTimer()
				b.RunParallel(func(pb *testing.PB) {
					cookie := cookies[next.Add(1)%concurrentUsers]
					for pb.Next() {
						loginOnce(b, mux, cookie, query, auth)
					}
				})
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "logins/s")
			})
		}
	}
}

// concurrentUsers is the number of concurrent sign-ins, each by a user of its own.
const concurrentUsers = 16

func loginOnce(b *testing.B, mux http.Handler, cookie *http.Cookie, query, auth string) {
	serve := func(r *http.Request, want int) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		if w.Code != want {
			b.Errorf("%s: %d %s", r.URL.Path, w.Code, w.Body)
		}
		return w
	}
	r := httptest.NewRequest("GET", "/oauth2/authorize?"+query, nil)
	r.AddCookie(cookie)
	to, err := url.Parse(serve(r, http.StatusSeeOther).Header().Get("Location"))
	if err != nil {
		b.Error(err)
		return
	}
	form := url.Values{"grant_type": {"authorization_code"}, "code": {to.Query().Get("code")},
		"redirect_uri": {redirectURI}, "code_verifier": {verifier}}
	r = httptest.NewRequest("POST", "/oauth2/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Authorization", auth)
	var tok tokens
	if err := json.Unmarshal(serve(r, http.StatusOK).Body.Bytes(), &tok); err != nil {
		b.Error(err)
	}
	r = httptest.NewRequest("GET", "/oauth2/userinfo", nil)
	r.Header.Set("Authorization", "Bearer "+tok.Access)
	serve(r, http.StatusOK)
}

func BenchmarkSignature(b *testing.B) {
	digest := sha256.Sum256([]byte("x"))
	b.Run(keys.RS256, func(b *testing.B) {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if _, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run(keys.ES256, func(b *testing.B) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if _, err := ecdsa.SignASN1(rand.Reader, key, digest[:]); err != nil {
				b.Fatal(err)
			}
		}
	})
}
