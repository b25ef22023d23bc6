package audit_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/audit"
	"github.com/weigate/weigate/internal/gateway"
)

type events struct {
	stored []gateway.Event
	err    error
}

func (e *events) AppendEvents(ctx context.Context, all ...gateway.Event) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	e.stored = append(e.stored, all...)
	return e.err
}

func TestRecord(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	store := &events{}
	now := time.Unix(1_800_000_000, 0)
	r := audit.Recorder{
		Events: store, Logger: slog.New(slog.NewTextHandler(&log, nil)), Now: func() time.Time { return now },
		RequestID: func(context.Context) string { return "req1" },
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	r.Record(gone, gateway.Event{Kind: "sign_in"})
	r.Record(t.Context(), gateway.Event{Kind: "sign_in", At: now.Add(time.Second), RequestID: "another"})
	if len(store.stored) != 2 || !store.stored[0].At.Equal(now) || store.stored[0].RequestID != "req1" ||
		!store.stored[1].At.Equal(now.Add(time.Second)) || store.stored[1].RequestID != "another" || log.Len() != 0 {
		t.Errorf("%+v; log %s", store.stored, log.String())
	}
	store.err = errors.New("disk full")
	r.Record(t.Context(), gateway.Event{Kind: "sign_in"})
	for _, want := range []string{"event not stored", "kind=sign_in", "disk full", "request_id=req1"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %s in the log: %s", want, log.String())
		}
	}
}
