package cli

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"
)

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
		endBackground(tt.stopBy, tt.closeApp, slog.New(slog.NewTextHandler(&log, nil)))
		if strings.Contains(log.String(), "background tasks interrupted by the stop") != tt.logged {
			t.Errorf("%s: log %q", name, &log)
		}
	}
}
