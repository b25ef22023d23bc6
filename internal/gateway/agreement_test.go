package gateway_test

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"github.com/weigate/weigate/internal/gateway"
)

// The page consent.md tells administrators how to compute the hash.
func TestAgreementHashIsTheDocumentedOne(t *testing.T) {
	t.Parallel()
	documents := []string{"https://www.example.com/privacy", "https://www.example.com/terms"}
	sum := sha256.Sum256([]byte("2026-11\nhttps://www.example.com/privacy\nhttps://www.example.com/terms\n"))
	got := gateway.NewAgreement("2026-11", documents)
	if got.Hash != hex.EncodeToString(sum[:]) || got.IsZero() || got.Version != "2026-11" || !got.At.IsZero() {
		t.Errorf("agreement %+v", got)
	}
	for _, other := range []gateway.Agreement{
		gateway.NewAgreement("2026-12", documents), gateway.NewAgreement("2026-11", documents[:1]),
		gateway.NewAgreement("", documents), gateway.NewAgreement("2026-11", []string{documents[1], documents[0]}),
	} {
		if other.Hash == got.Hash {
			t.Errorf("%+v has the same hash", other)
		}
	}
}
