package simulator

import (
	"net/http"
	"time"
)

// keepAlive is the interval of comments on the event stream, below the idle timeouts of proxies.
const keepAlive = 25 * time.Second

// phoneChanged records that a person's phone shows another page.
func (c *control) phoneChanged(person string) {
	c.view(person).Changed()
	c.changed()
}

// changed notifies every open page.
func (c *control) changed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for ch := range c.watchers {
		select {
		case ch <- struct{}{}:
		default: // a notification is pending already
		}
	}
}

// watch returns a channel that receives a value after each call of changed, and a function that
// removes it.
func (c *control) watch() (ch chan struct{}, stop func()) {
	ch = make(chan struct{}, 1)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watchers[ch] = true
	return ch, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.watchers, ch)
	}
}

// events serves the stream that control.js reads. An event carries no data: the page reloads itself
// in the background.
func (c *control) events(w http.ResponseWriter, r *http.Request) {
	setHeaders(w)
	w.Header().Set("Content-Type", "text/event-stream")
	flusher := http.NewResponseController(w)
	ch, stop := c.watch()
	defer stop()
	calls, cancel := c.server.Subscribe()
	defer cancel()
	ticker := time.NewTicker(keepAlive)
	defer ticker.Stop()
	for line := ": hello\n\n"; ; {
		if _, err := w.Write([]byte(line)); err != nil || flusher.Flush() != nil {
			return
		}
		line = "event: changed\ndata: \n\n"
		select {
		case <-ch:
		case _, ok := <-calls:
			if !ok { // the simulator was closed
				return
			}
		case <-ticker.C:
			line = ": alive\n\n"
		case <-r.Context().Done():
			return
		}
	}
}
