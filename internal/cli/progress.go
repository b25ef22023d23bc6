package cli

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/weigate/weigate/internal/lang"
)

// progress shows how far a long command has come, on one line of stderr that is replaced until the
// end. It shows nothing if stderr is not a terminal. Call done at the end.
type progress struct {
	out     printer
	unit    string // format of a number of things, such as "%d lines"
	total   int    // 0 = unknown
	started time.Time
	shownAt time.Time // when the line was last replaced; zero = never shown
	now     func() time.Time
	enabled bool
}

// progressInterval is the time between two changes of the line.
const progressInterval = 200 * time.Millisecond

// clearLine moves to the beginning of the line and erases it.
const clearLine = "\r\x1b[K"

// newProgress returns the progress of a command that handles total things.
func newProgress(p printer, unit string, total int) *progress {
	f, isFile := p.err.(*os.File)
	enabled := isFile && p.log == nil && term.IsTerminal(int(f.Fd()))
	return &progress{out: p, unit: unit, total: total, started: time.Now(), now: time.Now, enabled: enabled}
}

// update shows that n things are complete. Soon after another update, it does nothing.
func (g *progress) update(n int) {
	now := g.now()
	if !g.enabled || now.Sub(g.shownAt) < progressInterval {
		return
	}
	g.shownAt = now
	fmt.Fprint(g.out.err, clearLine+g.out.texts.Text(g.line(n, now.Sub(g.started))))
}

// line returns the text for n things after the time passed: the number and the rate, and if the
// total is known, the percentage and the estimated time left.
func (g *progress) line(n int, passed time.Duration) lang.Message {
	things := lang.Text(g.unit, n)
	rate := float64(n) / max(passed.Seconds(), 0.001)
	if g.total <= 0 || n <= 0 {
		return lang.Text("%s, %.0f/s", things, rate)
	}
	left := time.Duration(float64(g.total-n) / rate * float64(time.Second)).Round(time.Second)
	return lang.Text("%s of %d (%d%%), %.0f/s, %s left", things, g.total, n*100/g.total, rate, left)
}

// done removes the line.
func (g *progress) done() {
	if g.enabled && !g.shownAt.IsZero() {
		fmt.Fprint(g.out.err, clearLine)
	}
}
