package storetest

import (
	"crypto/sha256"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// BenchmarkScan measures the store's part of sign-ins by QR code, 16 at once, while a thousand
// other tickets are open. user is the approver.
func BenchmarkScan(b *testing.B, s gateway.Tickets, user string) {
	b.Helper()
	ticket := func(name string) gateway.Ticket {
		return gateway.Ticket{
			Hash: sha256.Sum256([]byte("t" + name)), Desktop: sha256.Sum256([]byte("d" + name)), App: "wiki", Number: "42",
			Others:    []string{"17", "93"},
			CreatedAt: noon, ExpiresAt: noon.Add(2 * time.Minute),
		}
	}
	var waiting [][32]byte
	for i := range 1000 {
		t := ticket(fmt.Sprint("waiting ", i))
		waiting = append(waiting, t.Hash)
		if err := s.PutTicket(b.Context(), t, noon, 20000); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("states of 1000", func(b *testing.B) {
		for b.Loop() {
			if got, err := s.TicketStates(b.Context(), waiting, noon); err != nil || len(got) != 1000 {
				b.Fatal(len(got), err)
			}
		}
	})
	b.Run("sign-ins", func(b *testing.B) {
		var n atomic.Int64
		b.SetParallelism(8)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				t := ticket(fmt.Sprint(b.N, " ", n.Add(1)))
				err := s.PutTicket(b.Context(), t, noon, 20000)
				if err == nil {
					_, err = s.ScanTicket(b.Context(), t.Hash, gateway.Approver{UserID: user, AuthTime: noon}, noon)
				}
				if err == nil {
					_, err = s.AnswerTicket(b.Context(), t.Hash, user, gateway.TicketApproved, noon)
				}
				if err == nil {
					_, err = s.RedeemTicket(b.Context(), t.Hash, t.Desktop, noon)
				}
				if err != nil {
					b.Error(err)
				}
			}
		})
		b.ReportMetric(float64(n.Load())/b.Elapsed().Seconds(), "sign-ins/s")
	})
}
