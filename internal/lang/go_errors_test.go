package lang_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"syscall"
	"testing"

	"github.com/weigate/weigate/internal/lang"
)

// A Chinese terminal shows no English text of Go for the failures that administrators meet.
func TestErrorsOfGoAreTranslated(t *testing.T) {
	t.Parallel()
	formats := lang.Formats{
		"connection refused": "连接被拒绝", "no such host": "找不到这个域名", "no answer in time": "没有及时响应",
		"the server closed the connection": "服务器关闭了连接", "no space left on device": "磁盘空间不足",
		"permission denied": "权限不足", "invalid port": "端口无效", "the certificate is not for %s": "证书不适用于 %s",
		"the certificate is signed by an unknown authority": "证书由未知的机构签发",
		"the certificate has expired or is not yet valid":   "证书已过期，或尚未生效",
	}
	address := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}
	dial := &net.OpError{Op: "dial", Net: "tcp", Addr: address, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	unknown := &net.DNSError{Err: "no such host", Name: "a.invalid", Server: "1.1.1.1"}
	lookup := &net.OpError{Op: "dial", Net: "tcp", Err: unknown}
	get := func(err error) error { return &url.Error{Op: "Get", URL: "https://a.invalid/", Err: err} }
	for _, tt := range []struct {
		err  error
		want string
	}{
		{dial, "127.0.0.1:1: 连接被拒绝"},
		{get(dial), "https://a.invalid/: 127.0.0.1:1: 连接被拒绝"},
		{get(lookup), "https://a.invalid/: a.invalid: 找不到这个域名"},
		{&net.OpError{Op: "listen", Net: "tcp", Err: &net.AddrError{Err: "invalid port", Addr: "99999"}}, "99999: 端口无效"},
		{get(context.DeadlineExceeded), "https://a.invalid/: 没有及时响应"},
		{get(io.EOF), "https://a.invalid/: 服务器关闭了连接"},
		{get(x509.HostnameError{Certificate: &x509.Certificate{}, Host: "a.invalid"}),
			"https://a.invalid/: 证书不适用于 a.invalid"},
		{get(x509.UnknownAuthorityError{}), "https://a.invalid/: 证书由未知的机构签发"},
		{get(x509.CertificateInvalidError{Reason: x509.Expired}), "https://a.invalid/: 证书已过期，或尚未生效"},
		{&fs.PathError{Op: "write", Path: "/a", Err: syscall.ENOSPC}, "/a: 磁盘空间不足"},
		{&os.LinkError{Op: "rename", Old: "/tmp/b", New: "/a", Err: syscall.EACCES}, "/a: 权限不足"},
		{fmt.Errorf("context: %w", dial), "context: 127.0.0.1:1: 连接被拒绝"},
	} {
		if got := formats.Error(tt.err); got != tt.want {
			t.Errorf("%v: got %q, want %q", tt.err, got, tt.want)
		}
		if got := lang.Formats(nil).Error(tt.err); got != tt.err.Error() {
			t.Errorf("%v: in English %q", tt.err, got)
		}
	}
}
