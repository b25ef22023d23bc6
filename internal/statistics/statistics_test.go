package statistics_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/limit"
	"github.com/weigate/weigate/internal/statistics"
)

// store is gateway.Statistics in memory, for tests with an artificial clock. Tests of the stores are
// in storetest.
type store struct {
	mu       sync.Mutex
	counts   map[string]int64
	problems map[string]gateway.Problem
	writes   int
	err      error
	delay    time.Duration // of a write; set it before the collector starts
}

func (s *store) AddStatistics(_ context.Context, counts []gateway.Statistic, problems []gateway.Problem) error {
	time.Sleep(s.delay)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	s.writes++
	for _, c := range counts {
		s.counts[c.Hour.Format("15:04")+" "+c.Name+" "+c.Label] += c.Count
	}
	for _, p := range problems {
		p.Count += s.problems[p.Source+p.Code].Count
		s.problems[p.Source+p.Code] = p
	}
	return nil
}

func (s *store) Statistics(context.Context, time.Time, time.Time) ([]gateway.Statistic, error) {
	return nil, nil
}

func (s *store) Problems(_ context.Context, since time.Time) (out []gateway.Problem, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.problems {
		if !p.LastAt.Before(since) {
			out = append(out, p)
		}
	}
	return out, s.err
}

func (s *store) setError(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// fixture is a collector that runs, with an artificial clock (testing/synctest).
type fixture struct {
	*statistics.Collector
	store   *store
	stop    func()
	mu      sync.Mutex
	notices []gateway.Notice
}

func newStore() *store {
	return &store{counts: map[string]int64{}, problems: map[string]gateway.Problem{}}
}

func start(t *testing.T, s *store) *fixture {
	t.Helper()
	f := &fixture{store: s}
	c, err := statistics.New(statistics.Config{Store: s, Notify: func(_ context.Context, n gateway.Notice) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.notices = append(f.notices, n)
	}})
	if err != nil {
		t.Fatal(err)
	}
	f.Collector = c
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		c.Run(ctx)
		close(done)
	}()
	f.stop = func() {
		cancel()
		<-done
	}
	return f
}

func (f *fixture) notified() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.notices)
}

// TestCountsAreAddedToTheStore: every ten seconds and at the end, in the hour in which they were
// counted. Nothing is written when nothing was counted, and nothing is lost when the store fails.
func TestCountsAreAddedToTheStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t, newStore())
		time.Sleep(time.Hour - 5*time.Second - time.Duration(time.Now().UnixNano()%int64(time.Hour)))
		if f.store.writes != 0 {
			t.Errorf("%d writes without counts", f.store.writes)
		}
		first := time.Now().UTC().Truncate(time.Hour).Format("15:04")
		f.Count(gateway.StatSignInBegan, "wechat")
		f.Count(gateway.StatSignInBegan, "wechat")
		f.store.setError(errors.New("unavailable"))
		time.Sleep(20 * time.Second)
		f.store.setError(nil)
		second := time.Now().UTC().Truncate(time.Hour).Format("15:04")
		f.Count(gateway.StatSignInBegan, "wechat")
		f.stop()
		if got := f.store.counts; got[first+" sign_in_began wechat"] != 2 || got[second+" sign_in_began wechat"] != 1 {
			t.Errorf("counts %v, want 2 in %s and 1 in %s", got, first, second)
		}
	})
}

// TestCountsDuringTheLastWriteAreNotLost: the collector is stopped while it writes, and something was
// counted after that write had begun.
func TestCountsDuringTheLastWriteAreNotLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.delay = 5 * time.Second
		f := start(t, s)
		f.Count(gateway.StatSignInBegan, "wechat")
		time.Sleep(12 * time.Second) // the write began after 10 seconds, and takes 5
		f.Count(gateway.StatSignInBegan, "scan")
		f.stop()
		if len(s.counts) != 2 {
			t.Errorf("counts %v, want one of wechat and one of scan", s.counts)
		}
	})
}

// TestProblemIsReportedOnce: not for each occurrence, again after an hour of quiet, and not by a
// second process.
func TestProblemIsReportedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		f, other := start(t, s), start(t, s)
		p := gateway.Problem{Source: "wechat:main", Code: "40164", Detail: "first"}
		for range 100 {
			f.Problem(p)
			time.Sleep(time.Minute)
		}
		if f.notified() != 1 {
			t.Errorf("%d notices for 100 occurrences, want 1", f.notified())
		}
		other.Problem(p)
		time.Sleep(time.Minute)
		if other.notified() != 0 {
			t.Error("the second process has reported it too")
		}
		time.Sleep(61 * time.Minute)
		p.Detail = "again"
		other.Problem(p)
		time.Sleep(time.Minute)
		f.stop()
		other.stop()
		got := s.problems["wechat:main40164"]
		if other.notified() != 1 || got.Count != 102 || got.Detail != "again" {
			t.Errorf("%d notices after an hour, problem %+v", other.notified(), got)
		}
		want := gateway.Notice{Kind: gateway.NoticeFault, Source: "wechat:main", Code: "40164"}
		if got := f.notices[0]; got.Kind != want.Kind || got.Source != want.Source || got.Code != want.Code {
			t.Errorf("notice %+v", got)
		}
	})
}

// TestRepeatedFault: a fault of normal operation is a problem when it occurs often.
func TestRepeatedFault(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t, newStore())
		p := gateway.Problem{Source: "app:wiki", Code: "invalid_client"}
		for range 20 { // one in five minutes
			f.Repeated(p, 5)
			time.Sleep(5 * time.Minute)
		}
		if f.notified() != 0 {
			t.Error("rare faults are a problem")
		}
		for range 5 {
			f.Repeated(p, 5)
		}
		f.stop()
		if f.notified() != 1 {
			t.Errorf("%d notices for repeated faults, want 1", f.notified())
		}
	})
}

// TestMemoryIsBounded counts more labels than are kept.
func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t, newStore())
		for i := range limit.StatisticsInMemory.Max + 10 {
			f.Count("x", fmt.Sprint(i))
			f.Repeated(gateway.Problem{Source: "app:x", Code: fmt.Sprint(i)}, 1)
		}
		f.stop()
		if len(f.store.counts) != limit.StatisticsInMemory.Max || len(f.store.problems) != limit.StatisticsInMemory.Max {
			t.Errorf("%d counts, %d problems", len(f.store.counts), len(f.store.problems))
		}
		var none *statistics.Collector
		none.Count("x", "y")
		none.Problem(gateway.Problem{})
		none.Repeated(gateway.Problem{}, 1)
	})
}
