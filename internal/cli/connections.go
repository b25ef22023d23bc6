package cli

import (
	"container/list"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
)

// connectionLimit limits the open connections of a listener to max. At the limit it accepts a new
// connection, and closes the connection that has been idle for the longest time. If no connection
// is idle, it closes the oldest connection whose first request is incomplete. Without such
// a connection, it closes the new one. So clients that open connections without using
// them cannot lock others out: a browser or a proxy sends its first request at once.
type connectionLimit struct {
	net.Listener
	max        int
	onExceeded func() // called for each connection that is closed because of the limit

	mu   sync.Mutex
	open int        // number of open connections
	idle *list.List // of *limitedConnection; the longest idle first
	new  *list.List // of *limitedConnection without a complete request yet; the oldest first
}

func newConnectionLimit(l net.Listener, limit int, onExceeded func()) *connectionLimit {
	return &connectionLimit{Listener: l, max: limit, onExceeded: onExceeded, idle: list.New(), new: list.New()}
}

// limitedConnection is a connection that a connectionLimit has accepted. The embedded type provides
// CloseWrite, with which net/http closes a connection without destroying the response.
type limitedConnection struct {
	*net.TCPConn
	limit   *connectionLimit
	queue   *list.List    // connectionLimit.idle or connectionLimit.new; nil while a request is in progress
	element *list.Element // of queue
	once    sync.Once     // subtracts the connection from connectionLimit.open
}

// Accept returns the next connection that the limit allows.
func (l *connectionLimit) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		tcp, isTCP := c.(*net.TCPConn)
		if !isTCP {
			return c, nil // only TCP listeners are limited
		}
		if l.admit() {
			return &limitedConnection{TCPConn: tcp, limit: l}, nil
		}
		l.onExceeded()
		_ = tcp.SetLinger(0) // a reset: the kernel keeps no state for the connection
		_ = tcp.Close()
	}
}

// admit reports whether one more connection is accepted, and counts it. At the limit, admit closes
// another connection in its place.
func (l *connectionLimit) admit() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open < l.max {
		l.open++
		return true
	}
	longest := l.idle.Front()
	if longest == nil {
		longest = l.new.Front()
	}
	if longest == nil {
		return false
	}
	c := longest.Value.(*limitedConnection)
	l.onExceeded()
	c.forget()
	c.once.Do(func() {}) // open stays the same: the new connection is counted in place of c
	_ = c.TCPConn.Close()
	return true
}

// Close closes the connection, and counts it no longer.
func (c *limitedConnection) Close() error {
	c.limit.mu.Lock()
	c.forget()
	c.once.Do(func() { c.limit.open-- })
	c.limit.mu.Unlock()
	return c.TCPConn.Close()
}

// forget removes the connection from its queue. The caller holds connectionLimit.mu.
func (c *limitedConnection) forget() {
	if c.queue != nil {
		c.queue.Remove(c.element)
		c.queue, c.element = nil, nil
	}
}

// wait adds the connection to a queue. The caller holds connectionLimit.mu.
func (c *limitedConnection) wait(queue *list.List) { c.queue, c.element = queue, queue.PushBack(c) }

// connectionState is the hook ConnState of http.Server. It records which connections wait for a
// request. A connection is in StateNew until the headers of its first request are complete.
func connectionState(conn net.Conn, state http.ConnState) {
	if secure, isTLS := conn.(*tls.Conn); isTLS {
		conn = secure.NetConn()
	}
	c, isLimited := conn.(*limitedConnection)
	if !isLimited {
		return
	}
	c.limit.mu.Lock()
	defer c.limit.mu.Unlock()
	c.forget()
	switch state {
	case http.StateNew:
		c.wait(c.limit.new)
	case http.StateIdle:
		c.wait(c.limit.idle)
	}
}
