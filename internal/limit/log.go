package limit

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"
)

// summaryDelay is the time between the first dropped line and the line with the count of dropped
// lines.
const summaryDelay = 10 * time.Second

// LogHandler is a [slog.Handler] that passes log lines to another handler, at most at the rate
// [LogLines] for each message. When this rate is exceeded, LogHandler still passes lines at the
// rate [LogLinesPerCause], for each message and cause. The cause is the values of the attributes
// app, reason and outcome. LogHandler drops and counts all other lines. Later it logs one line "log
// lines dropped" for each message, with the count. Values longer than [LoggedValue] are cut.
//
// A LogHandler keeps a count for each message. Messages are constants of the code, so the counts
// need little memory. Make one with [NewLogHandler].
type LogHandler struct {
	next  slog.Handler
	state *logState // shared by the handlers that WithAttrs and WithGroup return
}

type logState struct {
	base    slog.Handler // as given to NewLogHandler, without attributes and groups
	limiter *Limiter

	mu      sync.Mutex
	dropped map[string]droppedLines // by message
	timer   *time.Timer             // logs the counts; nil while no line was dropped
}

type droppedLines struct {
	count int
	level slog.Level // the highest level of the dropped lines
}

// NewLogHandler returns a LogHandler that passes lines to next. It calls onExceeded for each
// dropped line: see [NewLimiter].
func NewLogHandler(next slog.Handler, onExceeded func(name string)) *LogHandler {
	return &LogHandler{next: next, state: &logState{
		base: next, limiter: NewLimiter(onExceeded), dropped: map[string]droppedLines{},
	}}
}

// Enabled implements slog.Handler.
func (h *LogHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

// WithAttrs implements slog.Handler.
func (h *LogHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &LogHandler{next: h.next.WithAttrs(attrs), state: h.state}
}

// WithGroup implements slog.Handler.
func (h *LogHandler) WithGroup(name string) slog.Handler {
	return &LogHandler{next: h.next.WithGroup(name), state: h.state}
}

// Handle implements slog.Handler.
func (h *LogHandler) Handle(ctx context.Context, r slog.Record) error {
	now := r.Time
	if now.IsZero() {
		now = time.Now()
	}
	lines := Bucket{Rate: LogLines, Key: r.Message}
	if h.state.limiter.Exhausted(now, lines) {
		lines = Bucket{Rate: LogLinesPerCause, Key: r.Message + "\x00" + cause(r)}
	}
	if !h.state.limiter.Allow(now, lines) {
		h.state.drop(r.Message, r.Level)
		return nil
	}
	return h.next.Handle(ctx, cutValues(r))
}

// cause returns the cause of a line: the attributes that tell why it was logged, with their values.
func cause(r slog.Record) string {
	out := ""
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "app" || a.Key == "reason" || a.Key == "outcome" {
			out += a.Key + "=" + a.Value.String() + "\x00"
		}
		return true
	})
	return out
}

// cutValues returns r with its long values cut.
func cutValues(r slog.Record) slog.Record {
	long := false
	r.Attrs(func(a slog.Attr) bool {
		long = long || len(text(a.Value)) > LoggedValue.Bytes
		return !long
	})
	if !long {
		return r
	}
	cut := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	r.Attrs(func(a slog.Attr) bool {
		if s := text(a.Value); len(s) > LoggedValue.Bytes {
			a.Value = slog.StringValue(LoggedValue.Cut(s))
		}
		cut.AddAttrs(a)
		return true
	})
	return cut
}

// text returns the text of a string or an error. It returns "" for other values, since they are
// short.
func text(v slog.Value) string {
	if v.Kind() == slog.KindString {
		return v.String()
	}
	if err, isError := v.Any().(error); isError && err != nil {
		return err.Error()
	}
	return ""
}

func (s *logState) drop(message string, level slog.Level) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, found := s.dropped[message]
	if !found || level > d.level {
		d.level = level
	}
	d.count++
	s.dropped[message] = d
	if s.timer == nil {
		s.timer = time.AfterFunc(summaryDelay, s.flush)
	}
}

// Flush logs the counts of the lines that were dropped. Call it before the program ends.
func (h *LogHandler) Flush() { h.state.flush() }

func (s *logState) flush() {
	s.mu.Lock()
	dropped := s.dropped
	s.dropped = map[string]droppedLines{}
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	s.mu.Unlock()
	for _, message := range slices.Sorted(maps.Keys(dropped)) {
		d := dropped[message]
		r := slog.NewRecord(time.Now(), d.level, "log lines dropped", 0)
		r.AddAttrs(slog.String("message", message), slog.Int("count", d.count))
		// An error means that the log cannot be written. There is nowhere else to report this.
		_ = s.base.Handle(context.Background(), r)
	}
}
