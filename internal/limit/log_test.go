package limit

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weigate/weigate/internal/fixture"
)

// TestFloodOfLogLinesIsSampled logs one message very often. Other messages are logged as before, and
// the log has the number of missing lines, also of errors.
func TestFloodOfLogLinesIsSampled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out fixture.Buffer
		exceeded := 0
		h := NewLogHandler(slog.NewTextHandler(&out, nil), func(string) { exceeded++ })
		log := slog.New(h).With("request_id", "r1")
		for range 100_000 {
			log.Warn("request rejected", "path", "/"+strings.Repeat("a", 100))
		}
		for range 1000 {
			log.Error("store unavailable")
		}
		log.Info("signed in")
		if n := strings.Count(out.String(), "request rejected"); n != LogLines.Burst+LogLinesPerCause.Burst {
			t.Errorf("%d lines of the flood, want %d", n, LogLines.Burst+LogLinesPerCause.Burst)
		}
		if !strings.Contains(out.String(), `msg="signed in"`) || len(out.String()) > 100_000 {
			t.Errorf("log of %d bytes:\n%.1000s", len(out.String()), out.String())
		}
		out.Take()
		time.Sleep(summaryDelay + time.Second)
		synctest.Wait() // until the summary is written
		for _, want := range []string{
			`level=WARN msg="log lines dropped" message="request rejected" count=99890`,
			`level=ERROR msg="log lines dropped" message="store unavailable" count=890`,
		} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("no %s in\n%s", want, out.String())
			}
		}
		if exceeded != 99890+890 {
			t.Errorf("%d dropped lines were counted", exceeded)
		}
		out.Take()
		log.Warn("request rejected")
		h.Flush()
		if got := out.String(); strings.Count(got, "\n") != 1 {
			t.Errorf("after the flood: %s", got)
		}
	})
}

// TestStoppedProgramLogsItsCounts: lines that were dropped just before the end are counted too.
func TestStoppedProgramLogsItsCounts(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	h := NewLogHandler(slog.NewTextHandler(&out, nil), nil)
	for range LogLines.Burst + LogLinesPerCause.Burst + 5 {
		slog.New(h.WithGroup("group")).Warn("request rejected")
	}
	h.Flush()
	if !strings.Contains(out.String(), "dropped") {
		t.Errorf("log:\n%s", out.String())
	}
}

func TestLongValuesAreCut(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	log := slog.New(NewLogHandler(slog.NewTextHandler(&out, nil), nil))
	long := strings.Repeat("中", 5000)
	log.Warn("rejected", "state", long, "error", errors.New(long), "request_id", "r1")
	if out.Len() > 2*LoggedValue.Bytes+200 || strings.Count(out.String(), "中…") != 2 ||
		!strings.Contains(out.String(), "request_id=r1") {
		t.Errorf("a line of %d bytes: %.300s", out.Len(), out.String())
	}
}

// TestFloodHidesNoOtherAttack floods the log with requests for an unknown app. The line of one request
// that attacks a certain app is still logged.
func TestFloodHidesNoOtherAttack(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	log := slog.New(NewLogHandler(slog.NewTextHandler(&out, nil), nil))
	for i := range 10_000 {
		log.Info("token request rejected", "app", "", "reason", "unknown_client", "request_id", i)
	}
	log.Info("token request rejected", "app", "notes", "reason", "wrong_secret", "request_id", "r1")
	if !strings.Contains(out.String(), "reason=wrong_secret request_id=r1") {
		t.Error("the guess at the secret of an app is not logged")
	}
	if n := strings.Count(out.String(), "\n"); n > 2*(LogLines.Burst+LogLinesPerCause.Burst) {
		t.Errorf("the flood has %d lines", n)
	}
}
