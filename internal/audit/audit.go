// Package audit appends events to the event log of the gateway. An event is a fact for the
// administrator, such as a sign-in. [Recorder.Record] fills in the time and the request id of an
// event, and logs errors of the store.
package audit

import (
	"context"
	"log/slog"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// storeTimeout is how long a request waits for its event to be stored.
const storeTimeout = 5 * time.Second

// Events stores events. gateway.Store implements it.
type Events interface {
	// AppendEvents is gateway.Events.AppendEvents.
	AppendEvents(ctx context.Context, events ...gateway.Event) error
}

// Recorder appends events. Events and Logger are required. Recorder is safe for concurrent use.
type Recorder struct {
	Events    Events
	Logger    *slog.Logger
	Now       func() time.Time             // nil = time.Now
	RequestID func(context.Context) string // returns the id of the current request; nil = events have none
}

// Record appends an event. It sets At and RequestID if they are missing. An event reports what has
// already happened. Record therefore stores the event even when the client has closed the
// connection. An error of the store is only logged, and does not fail the request.
func (r Recorder) Record(ctx context.Context, e gateway.Event) {
	if e.At.IsZero() {
		e.At = time.Now()
		if r.Now != nil {
			e.At = r.Now()
		}
	}
	if e.RequestID == "" && r.RequestID != nil {
		e.RequestID = r.RequestID(ctx)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	if err := r.Events.AppendEvents(ctx, e); err != nil {
		r.Logger.ErrorContext(ctx, "event not stored", "kind", e.Kind, "error", err, "request_id", e.RequestID)
	}
}
