package leaktest_test

import (
	"encoding/base64"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/weigate/weigate/internal/leaktest"
)

// BenchmarkValuesFind searches the bytes of a database for the values that a test of the whole
// gateway collects. Random bytes are the worst case: they hold a few escapes, so that the search
// has to look at the unescaped text too.
func BenchmarkValuesFind(b *testing.B) {
	random := rand.NewChaCha8([32]byte{1})
	value := make([]byte, 24)
	var values leaktest.Values
	for i := range 30 {
		_, _ = random.Read(value)
		values.Add("value "+strconv.Itoa(i), base64.RawURLEncoding.EncodeToString(value))
	}
	text := make([]byte, 8<<20)
	_, _ = random.Read(text)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if found := values.Find(text); found != "" {
			b.Fatalf("random bytes hold %s", found)
		}
	}
}

// BenchmarkFind searches a log line for the planted values.
func BenchmarkFind(b *testing.B) {
	line := []byte(`{"time":"2026-01-02T03:04:05Z","level":"INFO","msg":"request served",` +
		`"path":"/signin","query":"return=%2Fapp","status":302}`)
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		if found := leaktest.Find(line); found != "" {
			b.Fatalf("the line holds %s", found)
		}
	}
}
