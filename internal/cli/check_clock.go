package cli

import (
	"net/http"
	"sync"
	"time"

	"github.com/weigate/weigate/internal/lang"
)

// clockTolerance is how far the clock of this machine may differ from WeChat's. Apps reject tokens that
// were issued in the future, and many of them allow a minute.
const clockTolerance = 30 * time.Second

// clockTransport compares the clock of this machine with the Date header of WeChat's answers. It is
// the transport of the calls to WeChat.
type clockTransport struct {
	now  func() time.Time
	base http.RoundTripper

	mu    sync.Mutex
	known bool          // an answer had a Date
	ahead time.Duration // how far this machine is ahead of the last Date; negative = behind
}

func newClockTransport() *clockTransport {
	return &clockTransport{now: time.Now, base: http.DefaultTransport.(*http.Transport).Clone()}
}

// RoundTrip sends a request, and compares the header Date of the response with the time in the
// middle of the call. Date has whole seconds, rounded down. So RoundTrip adds half a second to
// Date.
func (c *clockTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	sent := c.now()
	res, err := c.base.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	received := c.now()
	date, err := http.ParseTime(res.Header.Get("Date"))
	if err != nil {
		return res, nil // no Date: nothing to compare
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known = true
	c.ahead = sent.Add(received.Sub(sent) / 2).Sub(date.Add(500 * time.Millisecond))
	return res, nil
}

// check returns an error if the clocks differ by more than clockTolerance. known is false if no
// answer had a Date.
func (c *clockTransport) check() (result lang.Message, known bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ahead := c.ahead.Round(time.Second)
	const hint = "correct it: timedatectl set-ntp true; apps reject tokens of a wrong clock"
	switch {
	case !c.known:
		return result, false, nil
	case ahead > clockTolerance:
		return result, true, withHint(lang.Errorf("the clock of this machine is %s ahead of WeChat's", ahead), hint)
	case ahead < -clockTolerance:
		return result, true, withHint(lang.Errorf("the clock of this machine is %s behind WeChat's", -ahead), hint)
	}
	return lang.Text("within %s of WeChat's", clockTolerance), true, nil
}
