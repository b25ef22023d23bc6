package sqlite_test

import (
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/store/sqlite"
	"github.com/weigate/weigate/internal/store/sqlite/sqlitetest"
	"github.com/weigate/weigate/internal/store/storetest"
)

func benchStore(b *testing.B, path string, o sqlite.Options) (*sqlite.Store, string) {
	b.Helper()
	s, err := sqlite.Open(b.Context(), path, o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	return s, arrive(b, s, "o1").ID
}

// login is what one OpenID Connect login asks of a store: a code is put, read
// and redeemed, and the access token is read once.
func login(b *testing.B, s gateway.Store, user string, n int64) {
	name := fmt.Sprint(n)
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

// BenchmarkCommit measures group commit: the same writes with one write and with up
// to 128 writes in a commit, from one goroutine and from 64.
func BenchmarkCommit(b *testing.B) {
	for _, batch := range []int{1, 128} {
		for _, at := range []int{1, 64} {
			b.Run(fmt.Sprintf("batch=%d/at-once=%d", batch, at), func(b *testing.B) {
				s, user := benchStore(b, filepath.Join(b.TempDir(), "w.db"), sqlite.Options{}.WithBatch(batch))
				var n atomic.Int64
				b.SetParallelism(at)
				b.ResetTimer()
				run := func() {
					h := sha256.Sum256(fmt.Append(nil, n.Add(1)))
					err := s.PutSession(b.Context(),
						gateway.Session{Hash: h, UserID: user, CreatedAt: noon, SeenAt: noon, ExpiresAt: noon.Add(time.Hour)}, noon)
					if err != nil {
						b.Error(err)
					}
				}
				if at == 1 {
					for b.Loop() {
						run()
					}
				} else {
					b.RunParallel(func(pb *testing.PB) {
						for pb.Next() {
							run()
						}
					})
				}
				b.ReportMetric(float64(n.Load())/b.Elapsed().Seconds(), "writes/s")
			})
		}
	}
}

// BenchmarkLogin measures the operations of the store in an OpenID Connect login, 64 concurrently.
func BenchmarkLogin(b *testing.B) {
	for name, folder := range map[string]func(*testing.B) string{
		"file":   func(b *testing.B) string { return filepath.Join(b.TempDir(), "w.db") },
		"memory": func(*testing.B) string { return ":memory:" },
	} {
		b.Run(name, func(b *testing.B) {
			path := folder(b)
			s, user := benchStore(b, path, sqlite.Options{})
			var n atomic.Int64
			b.SetParallelism(64)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					login(b, s, user, n.Add(1))
				}
			})
			b.ReportMetric(float64(n.Load())/b.Elapsed().Seconds(), "logins/s")
		})
	}
}

// BenchmarkSession measures the lookup of a session, which each request of a signed-in user makes.
func BenchmarkSession(b *testing.B) {
	s, user := benchStore(b, filepath.Join(b.TempDir(), "w.db"), sqlite.Options{})
	h := sha256.Sum256([]byte("s"))
	if err := s.PutSession(b.Context(),
		gateway.Session{Hash: h, UserID: user, CreatedAt: noon, SeenAt: noon, ExpiresAt: noon.Add(time.Hour)},
		noon); err != nil {
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
	s, user := benchStore(b, filepath.Join(b.TempDir(), "w.db"), sqlite.Options{})
	storetest.BenchmarkScan(b, s, user)
}

func BenchmarkImport(b *testing.B) {
	s, _ := benchStore(b, filepath.Join(b.TempDir(), "w.db"), sqlite.Options{})
	storetest.BenchmarkImport(b, s)
}

func BenchmarkSignIn(b *testing.B) {
	s, _ := benchStore(b, filepath.Join(b.TempDir(), "w.db"), sqlite.Options{})
	storetest.BenchmarkSignIn(b, s)
}

func BenchmarkAdministration(b *testing.B) {
	path := filepath.Join(b.TempDir(), "w.db")
	s, err := sqlite.Open(b.Context(), path, sqlite.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	storetest.BenchmarkAdministration(b, s, sqlitetest.Filler(b.Context(), path), nil)
}
