package postgres_test

import (
	"crypto/sha256"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/store/postgres"
	"github.com/weigate/weigate/internal/store/postgres/postgrestest"
	"github.com/weigate/weigate/internal/store/storetest"
)

// durable starts a server with fsync on, as in production, and returns its URL.
func durable(b *testing.B) string {
	b.Helper()
	c, err := postgrestest.Start(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Stop() })
	return c.URL()
}

// BenchmarkLogin measures the operations of the store in an OpenID Connect login,
// 16 concurrently: a code is stored, read and redeemed, and the access token is read.
func BenchmarkLogin(b *testing.B) {
	s := open(b, durable(b), postgres.Options{})
	user := arrive(b, s, "o1").ID
	var n atomic.Int64
	b.SetParallelism(8)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			name := fmt.Sprint(n.Add(1))
			code, access := sha256.Sum256([]byte("c"+name)), sha256.Sum256([]byte("a"+name))
			err := s.PutCode(b.Context(), gateway.Code{
				Hash: code, ExpiresAt: noon.Add(time.Minute), RedirectURI: "https://app.example/cb", Challenge: "c", Nonce: "n",
				Grant: gateway.Grant{ID: name, App: "wiki", UserID: user, Subject: user, Scopes: []string{"openid", "profile"},
					AuthTime: noon, CreatedAt: noon},
			})
			if err == nil {
				_, err = s.Code(b.Context(), code)
			}
			if err == nil {
				_, err = s.Redeem(b.Context(), code, noon,
					gateway.TokenIssue{Access: gateway.Token{Hash: access, CreatedAt: noon, ExpiresAt: noon.Add(5 * time.Minute)}})
			}
			if err == nil {
				_, _, err = s.Token(b.Context(), access, noon)
			}
			if err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(n.Load())/b.Elapsed().Seconds(), "logins/s")
}

// BenchmarkSession measures the lookup of a session, which each request of a signed-in user makes.
func BenchmarkSession(b *testing.B) {
	s := open(b, durable(b), postgres.Options{})
	h := sha256.Sum256([]byte("s"))
	err := s.PutSession(b.Context(),
		gateway.Session{Hash: h, UserID: arrive(b, s, "o1").ID, CreatedAt: noon, SeenAt: noon,
			ExpiresAt: noon.Add(time.Hour)}, noon)
	if err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := s.Session(b.Context(), h, noon); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkScan(b *testing.B) {
	s := open(b, durable(b), postgres.Options{})
	storetest.BenchmarkScan(b, s, arrive(b, s, "o1").ID)
}

func BenchmarkImport(b *testing.B) {
	s := open(b, durable(b), postgres.Options{})
	storetest.BenchmarkImport(b, s)
}

func BenchmarkSignIn(b *testing.B) {
	s := open(b, durable(b), postgres.Options{})
	storetest.BenchmarkSignIn(b, s)
}

func BenchmarkAdministration(b *testing.B) {
	url := durable(b)
	fill := postgrestest.Filler(b.Context(), url)
	storetest.BenchmarkAdministration(b, open(b, url, postgres.Options{}), fill, func() {
		if err := postgrestest.Vacuum(b.Context(), url); err != nil {
			b.Fatal(err)
		}
	})
}
