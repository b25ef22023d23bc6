package cli

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"github.com/weigate/weigate/internal/lang"
)

const (
	// responseTimeout is how long a check waits for a response. The time is long, because a slow
	// reverse proxy or a machine under load is not a mistake of the configuration.
	responseTimeout = 30 * time.Second

	// connectTimeout is how long a check waits for a connection. This time is shorter than
	// responseTimeout, because a firewall often leaves connections unanswered.
	connectTimeout = 10 * time.Second
)

// forOneCheck returns a copy of base, which is http.DefaultTransport, for one request of a check.
func forOneCheck(base http.RoundTripper) *http.Transport {
	transport := base.(*http.Transport).Clone()
	dial := transport.DialContext
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, connectTimeout)
		defer cancel()
		return dial(ctx, network, address)
	}
	transport.DisableKeepAlives = true
	return transport
}

// transportCause returns why there was no response to a request: the name has no address, the
// connection was refused, or there was no answer in time. It returns other errors unchanged.
func transportCause(err error) error {
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		return lang.Errorf("the DNS has no address for %s", dns.Name)
	case errors.Is(err, syscall.ECONNREFUSED):
		return syscall.ECONNREFUSED
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return errors.New("no route to the network")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return errors.New("no answer in time")
	}
	return err
}
