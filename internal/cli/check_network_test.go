package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"testing"
)

func TestTransportCause(t *testing.T) {
	t.Parallel()
	dial := func(err error) error {
		return fmt.Errorf("no response: %w", &net.OpError{Op: "dial", Net: "tcp", Err: err})
	}
	for _, tt := range []struct {
		err         error
		english, zh string
	}{
		{dial(&net.DNSError{Err: "no such host", Name: "api.weixin.qq.com", IsNotFound: true}),
			"the DNS has no address for api.weixin.qq.com", "无法解析 api.weixin.qq.com"},
		{dial(syscall.ECONNREFUSED), "connection refused", "连接被拒绝"},
		{dial(syscall.ENETUNREACH), "no route to the network", "网络不可达"},
		{dial(context.DeadlineExceeded), "no answer in time", "没有及时响应"},
		{errors.New("other"), "other", "other"},
	} {
		got := transportCause(tt.err)
		if got.Error() != tt.english || chinese().Error(got) != tt.zh {
			t.Errorf("%v: %v, %s", tt.err, got, chinese().Error(got))
		}
	}
}
