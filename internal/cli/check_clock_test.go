package cli

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// roundTrip is a function as an http.RoundTripper.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestClockTransport compares the clock of this machine with the Date header of an answer after two
// seconds, which was sent in the middle of the call.
func TestClockTransport(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		differ time.Duration // WeChat's clock minus the clock of this machine
		want   string        // in the result or the error
	}{
		{"equal", 0, "within 30s of WeChat's"},
		{"slow, within the tolerance", 30 * time.Second, "within 30s of WeChat's"},
		{"fast, within the tolerance", -30 * time.Second, "within 30s of WeChat's"},
		{"a little too slow", 31 * time.Second, "the clock of this machine is 31s behind WeChat's"},
		{"a little too fast", -31 * time.Second, "the clock of this machine is 31s ahead of WeChat's"},
		{"slow", 5 * time.Minute, "the clock of this machine is 5m0s behind WeChat's"},
		{"fast", -time.Hour, "the clock of this machine is 1h0m0s ahead of WeChat's"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, fraction := range []time.Duration{time.Millisecond, 500 * time.Millisecond, 999 * time.Millisecond} {
				now := time.Date(2026, 12, 31, 23, 59, 59, int(fraction), time.UTC)
				c := &clockTransport{now: func() time.Time { return now }}
				c.base = roundTrip(func(*http.Request) (*http.Response, error) {
					date := now.Add(time.Second + tt.differ).Format(http.TimeFormat)
					now = now.Add(2 * time.Second)
					return &http.Response{Header: http.Header{"Date": {date}}}, nil
				})
				if _, err := c.RoundTrip(nil); err != nil {
					t.Fatal(err)
				}
				result, known, err := c.check()
				got := result.String()
				if err != nil {
					got = err.Error()
				}
				if !known || !strings.Contains(got, tt.want) {
					t.Errorf("with %s of a second: %q, want %q", fraction, got, tt.want)
				}
			}
		})
	}
}
