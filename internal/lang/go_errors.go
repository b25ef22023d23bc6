package lang

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
)

// ofGo returns the text of an error of the standard library. found is false for other errors. It
// omits the operations, such as "open" and "dial", and the address of the DNS server: the reader does
// not need them to find the cause.
func (f Formats) ofGo(err error) (text string, found bool) {
	switch e := err.(type) {
	case *fs.PathError:
		return f.about(e.Path, e.Err), true
	case *os.LinkError:
		return f.about(e.New, e.Err), true
	case *os.SyscallError:
		return f.Error(e.Err), true
	case *url.Error:
		switch {
		case e.Timeout():
			return f.about(e.URL, errors.New("no answer in time")), true
		case errors.Is(e.Err, io.EOF):
			return f.about(e.URL, errors.New("the server closed the connection")), true
		}
		return f.about(e.URL, e.Err), true
	case *net.OpError:
		if e.Addr == nil {
			return f.Error(e.Err), true
		}
		return f.about(e.Addr.String(), e.Err), true
	case *net.AddrError:
		return f.about(e.Addr, errors.New(e.Err)), true
	case *net.DNSError:
		return f.Sprintf("%s: %s", e.Name, f.Translate(e.Err)), true
	case *tls.CertificateVerificationError:
		return f.Error(e.Err), true
	case x509.HostnameError:
		return f.Text(Text("the certificate is not for %s", e.Host)), true
	case x509.UnknownAuthorityError:
		return f.Translate("the certificate is signed by an unknown authority"), true
	case x509.CertificateInvalidError:
		if e.Reason == x509.Expired {
			return f.Translate("the certificate has expired or is not yet valid"), true
		}
	}
	return "", false
}

// about returns the text of err, after the file or address that it is about. Sprintf translates err.
func (f Formats) about(subject string, err error) string { return f.Sprintf("%s: %s", subject, err) }
