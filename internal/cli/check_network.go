package cli

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"

	"github.com/weigate/weigate/internal/lang"
)

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
