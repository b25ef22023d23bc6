package cli

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// TestStopEndsBeforeItIsKilled: "docker stop" kills the process after ten seconds. Background tasks get
// some time also if requests have used all of theirs.
func TestStopEndsBeforeItIsKilled(t *testing.T) {
	t.Parallel()
	forTasks := stopTimeout - lateConnections - shutdownTimeout
	if forTasks < time.Second || stopTimeout >= 10*time.Second {
		t.Errorf("a stop takes %s, of which background tasks have %s", stopTimeout, forTasks)
	}
}

// TestStopInterruptsSlowTasks checks that a background task that does not end is logged, and that the
// stop does not wait for it.
func TestStopInterruptsSlowTasks(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		stopBy   time.Time
		closeApp func(context.Context) error
		logged   bool
	}{
		"tasks that end": {time.Now().Add(time.Hour), func(context.Context) error { return nil }, false},
		"a task that does not end": {time.Now().Add(-time.Second), func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}, true},
	} {
		var log bytes.Buffer
		endBackground(tt.stopBy, tt.closeApp, slog.New(slog.NewTextHandler(&log, nil)), nil)
		if strings.Contains(log.String(), "background tasks interrupted by the stop") != tt.logged {
			t.Errorf("%s: log %q", name, &log)
		}
		if !strings.HasSuffix(log.String(), "level=INFO msg=\"gateway stopped\"\n") {
			t.Errorf("%s: the last line is not the stop: %q", name, &log)
		}
	}
}
