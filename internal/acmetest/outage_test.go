package acmetest

import (
	"bytes"
	"cmp"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// slowWriter replaces the state of a valid order in a response: the order is still being processed.
type slowWriter struct {
	http.ResponseWriter
	left   *atomic.Int64
	status int
	body   bytes.Buffer
}

func (w *slowWriter) WriteHeader(status int) { w.status = status }

func (w *slowWriter) Write(b []byte) (int, error) { return w.body.Write(b) }

func (w *slowWriter) send() {
	const valid = `"status": "valid"`
	body := w.body.Bytes()
	if w.left.Load() > 0 && bytes.Contains(body, []byte(valid)) {
		w.left.Add(-1)
		body = bytes.Replace(body, []byte(valid), []byte(`"status": "processing"`), 1)
	}
	w.Header().Del("Content-Length")
	w.ResponseWriter.WriteHeader(cmp.Or(w.status, http.StatusOK))
	_, _ = w.ResponseWriter.Write(body) // fails only if the client has disconnected
}

// TestExpiryDuringAnOutage: the certificate expires while the authority cannot be reached. The gateway
// continues to serve it, and its status has the reason why there is no newer one. A browser then shows a
// warning, and not a failed connection. certmagic tries again a minute after the failure, which would make
// the tests a minute longer: WEIGATE_ACME_RECOVERY=1 also waits for the new certificate.
func TestExpiryDuringAnOutage(t *testing.T) {
	t.Parallel()
	secure, host := listen(t), newHost()
	const lifetime = 4 // seconds
	a := newAuthority(t, 1, port(secure), lifetime)
	r := start(t, host, a, newStore(t), secure, nil, 0.5)
	r.awaitCertificate(t)
	a.down.Store(true)
	r.await(t, "expiry", func() bool {
		c := r.serves()
		return c != nil && time.Now().After(c.NotAfter) && r.source.Status().Problem != ""
	})
	last := r.serves()
	if last == nil {
		t.Fatal("nothing is served after the expiry")
	}
	if s := r.source.Status(); !s.NotAfter.Equal(last.NotAfter) || !strings.Contains(s.Problem, "503") {
		t.Errorf("status %+v", s)
	}
	a.down.Store(false)
	if os.Getenv("WEIGATE_ACME_RECOVERY") == "" {
		return
	}
	r.await(t, "certificate after the outage", func() bool { // a minute later
		c := r.serves()
		return c != nil && c.SerialNumber.Cmp(last.SerialNumber) != 0
	})
	r.await(t, "end of the problem", func() bool { return r.source.Status().Problem == "" })
}

// TestSlowIssue: an authority that needs seconds for an order is asked again until the certificate is
// there, and gets one order, not several.
func TestSlowIssue(t *testing.T) {
	t.Parallel()
	secure, host := listen(t), newHost()
	a := newAuthority(t, 1, port(secure), 90*86400)
	a.processing.Store(6) // answers about the order
	r := start(t, host, a, newStore(t), secure, nil, 0)
	if got := r.awaitCertificate(t); got.VerifyHostname(host) != nil {
		t.Errorf("certificate for %v", got.DNSNames)
	}
	if left, orders := a.processing.Load(), a.orders.Load(); left > 0 || orders != 1 {
		t.Errorf("%d orders, and %d answers left", orders, left)
	}
	if problem := r.source.Status().Problem; problem != "" {
		t.Errorf("a slow order is reported as %q", problem)
	}
}
