package storetest

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// The benchmarks in this file run on each store: an import of a user table, sign-ins among many
// users, and sign-ins by QR code.

// linesEnv is the environment variable with the number of lines that BenchmarkImport imports. It is
// also the number of users of BenchmarkSignIn.
const linesEnv = "WEIGATE_BENCH_LINES"

// BenchLines returns the number of lines from the environment, or 20,000.
func BenchLines() int {
	if lineCount, err := strconv.Atoi(os.Getenv(linesEnv)); err == nil && lineCount > 0 {
		return lineCount
	}
	return 20_000
}

// importedUser returns line i of a user table. As in a real table, every openid has a unionid, and
// the lines are not in the order of their openids.
func importedUser(i int) gateway.ImportedUser {
	digest := hash(fmt.Sprint("imported ", i))
	return gateway.ImportedUser{OldID: fmt.Sprintf("%08d", i),
		SignIn: mainConnector.signIn(noon, fmt.Sprintf("o%x", digest[:13]), fmt.Sprintf("u%x", digest[13:26]))}
}

// Import imports as many users as lineCount, in batches of the size that weigate import uses.
func Import(b *testing.B, store gateway.Store, lineCount int) {
	b.Helper()
	lines := make([]gateway.ImportedUser, 0, gateway.ImportBatch)
	for i := range lineCount {
		lines = append(lines, importedUser(i))
		if len(lines) < gateway.ImportBatch && i < lineCount-1 {
			continue
		}
		result, err := store.ImportUsers(b.Context(), lines)
		if err != nil || result.Created != len(lines) || len(result.Problems) > 0 {
			b.Fatalf("imported %+v, %v", result, err)
		}
		lines = lines[:0]
	}
}

// BenchmarkImport reports the time of an import and the peak memory of the process.
func BenchmarkImport(b *testing.B, store gateway.Store) {
	lineCount := BenchLines()
	peak, stop := make(chan uint64), make(chan struct{})
	go func() { peak <- peakHeap(stop) }()
	began := time.Now()
	Import(b, store, lineCount)
	spent := time.Since(began)
	close(stop)
	b.ReportMetric(spent.Seconds(), "s")
	b.ReportMetric(float64(lineCount)/spent.Seconds(), "lines/s")
	b.ReportMetric(float64(<-peak)/1e6, "MB-heap-peak")
	b.ReportMetric(residentPeak(), "MB-resident-peak")
	b.ReportMetric(0, "ns/op") // 0 omits it: the benchmark imports once
}

// peakHeap measures the size of the heap ten times a second until stop is closed, and returns the
// largest.
func peakHeap(stop <-chan struct{}) (most uint64) {
	for {
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		most = max(most, stats.HeapInuse)
		select {
		case <-stop:
			return most
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// residentPeak returns the peak resident memory of the process in MB; 0 if the system does not
// report it.
func residentPeak() float64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok { // Linux's name for it
			kb, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")))
			if err == nil {
				return float64(kb) / 1024
			}
		}
	}
	return 0
}

// BenchmarkSignIn measures sign-ins of users whose unionid is known, through a connector that is
// new to them: first with a thousand users in the database, then with as many as BenchLines. A
// sign-in among many users should take at most 1.3 times as long as among a thousand.
func BenchmarkSignIn(b *testing.B, store gateway.Store) {
	stored := 0
	for _, users := range []int{1000, BenchLines()} {
		for stored < users {
			var lines []gateway.ImportedUser
			for stored < users && len(lines) < gateway.ImportBatch {
				lines = append(lines, importedUser(stored))
				stored++
			}
			_, err := store.ImportUsers(b.Context(), lines)
			wantNoError(b, err)
		}
		b.Run(fmt.Sprintf("users=%d", users), func(b *testing.B) {
			i := 0
			for b.Loop() {
				i = (i + 7919) % users // successive sign-ins are of users far apart in the table
				known := importedUser(i).SignIn
				signIn := siteConnector.signIn(after(time.Hour), "site-"+known.OpenID, known.UnionID)
				_, _, err := store.RecordSignIn(b.Context(), signIn)
				wantNoError(b, err)
			}
		})
	}
}

// BenchmarkScan measures the store's part of sign-ins by QR code, eight at once for each CPU. A
// thousand other tickets (waiting sign-ins) are open meanwhile. The user with userID is the
// approver of every ticket: the user of the phone.
func BenchmarkScan(b *testing.B, store gateway.Tickets, userID string) {
	b.Helper()
	var waiting [][32]byte
	for i := range 1000 {
		ticket := newTicket(fmt.Sprint("waiting ", i))
		waiting = append(waiting, ticket.Hash)
		wantNoError(b, store.PutTicket(b.Context(), ticket, noon, noLimit))
	}
	b.Run("states of 1000", func(b *testing.B) {
		for b.Loop() {
			if got, err := store.TicketStates(b.Context(), waiting, noon); err != nil || len(got) != 1000 {
				b.Fatal(len(got), err)
			}
		}
	})
	b.Run("sign-ins", func(b *testing.B) {
		var count atomic.Int64
		b.SetParallelism(8)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				// b.N differs in each call of this function, so that no two tickets have one name.
				ticket := newTicket(fmt.Sprint(b.N, " ", count.Add(1)))
				err := store.PutTicket(b.Context(), ticket, noon, noLimit)
				if err == nil {
					_, err = store.ScanTicket(b.Context(), ticket.Hash, newApprover(userID), noon)
				}
				if err == nil {
					_, err = store.AnswerTicket(b.Context(), ticket.Hash, userID, gateway.TicketApproved, noon)
				}
				if err == nil {
					_, err = store.RedeemTicket(b.Context(), newRedemption(ticket.Hash, ticket.Desktop, noon))
				}
				if err != nil {
					b.Error(err)
				}
			}
		})
		b.ReportMetric(float64(count.Load())/b.Elapsed().Seconds(), "sign-ins/s")
	})
}
