package ginlogin

import (
	"bufio"
	"io"
	"net"
	"net/http"

	"github.com/gin-gonic/gin"
)

// responseWriter is a gin.ResponseWriter that writes to the ResponseWriter of a net/http
// middleware. Like gin's own, it writes the status and the header with the first byte of the body.
// WriteHeader only stores the status, because handlers of gin set the status before they set the
// header.
type responseWriter struct {
	gin.ResponseWriter // gin's own: for CloseNotify, Pusher, and a status that was set before
	to                 http.ResponseWriter
	status             int  // 0 = not set
	size               int  // bytes of the body
	written            bool // the header was written
}

// WriteHeader stores the status.
func (w *responseWriter) WriteHeader(status int) {
	if status > 0 && !w.written {
		w.status = status
	}
}

// WriteHeaderNow writes the status and the header.
func (w *responseWriter) WriteHeaderNow() {
	if !w.written {
		w.written = true
		w.to.WriteHeader(w.Status())
	}
}

// passStatus writes the status of a response without a body. Call it after the handlers. If no
// status was set, passStatus writes nothing: an earlier handler may still respond.
func (w *responseWriter) passStatus() {
	if w.status > 0 {
		w.WriteHeaderNow()
	}
}

// Write writes a part of the body.
func (w *responseWriter) Write(p []byte) (int, error) {
	w.WriteHeaderNow()
	n, err := w.to.Write(p)
	w.size += n
	return n, err
}

// WriteString writes a part of the body.
func (w *responseWriter) WriteString(s string) (int, error) {
	w.WriteHeaderNow()
	n, err := io.WriteString(w.to, s)
	w.size += n
	return n, err
}

// Header returns the header of the response.
func (w *responseWriter) Header() http.Header { return w.to.Header() }

// Status returns the status that was set, or the status of gin's own ResponseWriter: 404 for a
// route that does not exist, else 200.
func (w *responseWriter) Status() int {
	if w.status == 0 {
		return w.ResponseWriter.Status()
	}
	return w.status
}

// Size returns the number of bytes of the body, or -1 before the header is written, as gin does.
func (w *responseWriter) Size() int {
	if !w.written {
		return -1
	}
	return w.size
}

// Written reports whether the header was written.
func (w *responseWriter) Written() bool { return w.written }

// Flush writes the header, and sends what the middleware has buffered. It does nothing more if the
// ResponseWriter of the middleware cannot flush.
func (w *responseWriter) Flush() {
	w.WriteHeaderNow()
	_ = http.NewResponseController(w.to).Flush() // http.Flusher returns no error
}

// Hijack takes the connection over, if the ResponseWriter of the middleware allows it.
func (w *responseWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w.to).Hijack()
	w.written = w.written || err == nil
	return conn, rw, err
}

// Unwrap returns the ResponseWriter of the middleware, for http.ResponseController.
func (w *responseWriter) Unwrap() http.ResponseWriter { return w.to }
