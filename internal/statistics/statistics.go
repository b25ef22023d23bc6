// Package statistics counts what the administration shows: sign-ins, answers of WeChat, problems.
//
// A [Collector] counts in memory, so that a sign-in needs no write to the store. [Collector.Run]
// adds the counts to the store every ten seconds, and when it ends. A crash loses the counts since
// the last write. Any number of processes with one store may count.
//
// A problem is a fault that an administrator can correct. Administrators are notified when a
// problem is new, and when it occurs again after an hour without it. They are not notified of each
// occurrence.
package statistics

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/limit"
)

// Config is the configuration of a [Collector]. Store is required.
type Config struct {
	Store  gateway.Statistics
	Notify func(context.Context, gateway.Notice) // nil = nobody
	Every  time.Duration                         // between two writes; 0 = 10 s
	Now    func() time.Time                      // nil = time.Now
	Logger *slog.Logger                          // nil discards
}

// Collector counts. It is safe for concurrent use.
type Collector struct {
	cfg Config

	mu       sync.Mutex
	counts   map[countKey]int64
	problems map[problemKey]gateway.Problem // since the last write
	recent   map[problemKey]occurrences     // for Repeated
	lastSeen map[problemKey]time.Time       // last occurrence of each problem that this process has written
	dropped  int                            // counts and problems beyond limit.StatisticsInMemory, since the last write
}

// countKey identifies a statistic in the store.
type countKey struct {
	hour        time.Time
	name, label string
}

// problemKey identifies a problem (gateway.Problem.Source and Code).
type problemKey struct{ source, code string }

// occurrences counts a fault since a time.
type occurrences struct {
	since time.Time
	n     int
}

// New returns a Collector that has counted nothing.
func New(c Config) (*Collector, error) {
	if c.Store == nil {
		return nil, errors.New("statistics: Config.Store is required")
	}
	c.Every = cmp.Or(c.Every, 10*time.Second)
	if c.Notify == nil {
		c.Notify = func(context.Context, gateway.Notice) {}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return &Collector{
		cfg: c, counts: map[countKey]int64{}, problems: map[problemKey]gateway.Problem{},
		recent: map[problemKey]occurrences{}, lastSeen: map[problemKey]time.Time{},
	}, nil
}

// Count adds one to the statistic with this name and label for the current hour. A label must have
// few different values, so it must not come from a request. A nil Collector counts nothing.
func (c *Collector) Count(name, label string) {
	if c == nil {
		return
	}
	key := countKey{hour: c.cfg.Now().UTC().Truncate(time.Hour), name: name, label: label}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, found := c.counts[key]; !found && len(c.counts) >= limit.StatisticsInMemory.Max {
		c.dropped++
		return
	}
	c.counts[key]++
}

// Problem records the occurrence of a problem now. Source, Code, RequestID and Detail of p are
// used. A nil Collector records nothing.
func (c *Collector) Problem(p gateway.Problem) {
	if c == nil {
		return
	}
	now := c.cfg.Now()
	key := problemKey{source: p.Source, code: p.Code}
	c.mu.Lock()
	defer c.mu.Unlock()
	known, found := c.problems[key]
	if !found && len(c.problems) >= limit.StatisticsInMemory.Max {
		c.dropped++
		return
	}
	p.FirstAt, p.LastAt, p.Count = now, now, known.Count+1
	if found {
		p.FirstAt = known.FirstAt
	}
	c.problems[key] = p
}

// repeatedWithin is the time within which a fault must occur often enough to be a problem.
const repeatedWithin = 10 * time.Minute

// Repeated records the occurrence of a fault that also occurs in normal operation, such as a
// timeout. The fault becomes a problem when it has occurred threshold times within ten minutes.
// Each further occurrence in these minutes is recorded as a problem too.
func (c *Collector) Repeated(p gateway.Problem, threshold int) {
	if c == nil {
		return
	}
	now := c.cfg.Now()
	key := problemKey{source: p.Source, code: p.Code}
	c.mu.Lock()
	o := c.recent[key]
	if now.Sub(o.since) > repeatedWithin {
		o = occurrences{since: now}
	}
	o.n++
	// When recent is full, a new fault is not stored. Each of its occurrences counts as the first.
	if _, found := c.recent[key]; found || len(c.recent) < limit.StatisticsInMemory.Max {
		c.recent[key] = o
	}
	c.mu.Unlock()
	if o.n >= threshold {
		c.Problem(p)
	}
}

// writeTimeout limits the time of one write.
const writeTimeout = 10 * time.Second

// Run writes to the store until ctx ends, and then once more. If ctx ends during a write, another
// write follows, because something may have been counted meanwhile.
func (c *Collector) Run(ctx context.Context) {
	ticker := time.NewTicker(c.cfg.Every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			c.write(context.WithoutCancel(ctx))
			return
		case <-ticker.C:
			c.write(context.WithoutCancel(ctx))
		}
	}
}

// write adds what was counted to the store. After a failure the counts stay in memory.
func (c *Collector) write(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	c.mu.Lock()
	for key, o := range c.recent { // remove occurrences that are too old to count for a threshold
		if c.cfg.Now().Sub(o.since) > repeatedWithin {
			delete(c.recent, key)
		}
	}
	counts, problems, dropped := c.counts, c.problems, c.dropped
	c.counts, c.problems, c.dropped = map[countKey]int64{}, map[problemKey]gateway.Problem{}, 0
	c.mu.Unlock()
	if dropped > 0 {
		c.cfg.Logger.WarnContext(ctx, "statistics dropped", "count", dropped)
	}
	if len(counts)+len(problems) == 0 {
		return
	}
	if err := c.store(ctx, counts, problems); err != nil {
		c.cfg.Logger.WarnContext(ctx, "statistics not written", "error", err)
		c.putBack(counts, problems)
	}
}

// quiet is how long a problem must not occur before it is reported again.
const quiet = time.Hour

// store writes counts and problems, and then notifies administrators of new problems.
func (c *Collector) store(ctx context.Context, counts map[countKey]int64,
	problems map[problemKey]gateway.Problem) error {
	news, err := c.news(ctx, problems) // before the write: news reads the problems in the store
	if err != nil {
		return err
	}
	var (
		rows   []gateway.Statistic
		faults []gateway.Problem
	)
	for key, n := range counts {
		rows = append(rows, gateway.Statistic{Hour: key.hour, Name: key.name, Label: key.label, Count: n})
	}
	for _, p := range problems {
		faults = append(faults, p)
	}
	if err := c.cfg.Store.AddStatistics(ctx, rows, faults); err != nil {
		return err
	}
	c.mu.Lock()
	for key, p := range problems {
		c.lastSeen[key] = p.LastAt
	}
	for key, at := range c.lastSeen { // entries older than quiet no longer suppress a notice
		if c.cfg.Now().Sub(at) > quiet {
			delete(c.lastSeen, key)
		}
	}
	c.mu.Unlock()
	for _, p := range news {
		c.cfg.Logger.WarnContext(ctx, "problem found", "source", p.Source, "error_code", p.Code, "detail", p.Detail,
			"request_id", p.RequestID)
		c.cfg.Notify(ctx, gateway.Notice{Kind: gateway.NoticeFault, At: p.FirstAt, Source: p.Source, Code: p.Code})
	}
	return nil
}

// news returns the problems that no process has recorded within the time quiet.
func (c *Collector) news(ctx context.Context, problems map[problemKey]gateway.Problem) (out []gateway.Problem,
	err error) {
	candidates := map[problemKey]gateway.Problem{}
	c.mu.Lock()
	for key, p := range problems {
		if last, found := c.lastSeen[key]; !found || p.FirstAt.Sub(last) > quiet {
			candidates[key] = p
		}
	}
	c.mu.Unlock()
	if len(candidates) == 0 {
		return nil, nil
	}
	stored, err := c.cfg.Store.Problems(ctx, c.cfg.Now().Add(-quiet))
	if err != nil {
		return nil, err
	}
	for _, p := range stored {
		delete(candidates, problemKey{source: p.Source, code: p.Code})
	}
	for _, p := range candidates {
		out = append(out, p)
	}
	return out, nil
}

// putBack restores counts and problems after a failed write. It adds them to what was counted
// meanwhile.
func (c *Collector) putBack(counts map[countKey]int64, problems map[problemKey]gateway.Problem) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, n := range counts {
		if _, found := c.counts[key]; !found && len(c.counts) >= limit.StatisticsInMemory.Max {
			c.dropped++
			continue
		}
		c.counts[key] += n
	}
	for key, p := range problems {
		later, found := c.problems[key]
		if found {
			later.FirstAt, later.Count = p.FirstAt, later.Count+p.Count
			p = later
		}
		c.problems[key] = p
	}
}
