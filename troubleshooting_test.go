package weigate_test

import (
	"errors"
	"net/http/httptest"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/weigate/weigate/wechat"
	"github.com/weigate/weigate/wechat/wechattest"
)

// TestErrorTableIsTrue checks the table of docs/*/troubleshooting.md: the simulator answers each
// errcode, and the error of the client must have the class of its row.
func TestErrorTableIsTrue(t *testing.T) {
	t.Parallel()
	classes := map[string]error{
		"ErrReauthorize": wechat.ErrReauthorize, "ErrTokenExpired": wechat.ErrTokenExpired,
		"ErrRateLimited":   wechat.ErrRateLimited,
		"ErrTemporary":     wechat.ErrTemporary,
		"ErrConfiguration": wechat.ErrConfiguration, "ErrUserRestricted": wechat.ErrUserRestricted,
	}
	wx, err := wechattest.New(wechattest.Config{})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(wx)
	defer server.Close()
	account := wx.Apps()[0]
	client := &wechat.Client{AppID: account.AppID, Secret: wechat.Secret(account.Secret), APIURL: server.URL}

	row := regexp.MustCompile("(?m)^\\| ([-0-9, 、]+) \\|.*`(Err[A-Za-z]+)` \\|$")
	for _, page := range []string{"docs/en/troubleshooting.md", "docs/zh-CN/troubleshooting.md"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		rows := row.FindAllStringSubmatch(string(text), -1)
		if len(rows) < 9 {
			t.Errorf("%s: found %d rows of codes", page, len(rows))
		}
		for _, m := range rows {
			separator := func(r rune) bool { return strings.ContainsRune(", 、", r) }
			for _, code := range strings.FieldsFunc(m[1], separator) {
				n, err := strconv.Atoi(code)
				if err != nil {
					t.Fatal(err)
				}
				wx.ClearFaults()
				wx.Fail(wechattest.Fault{Endpoint: "/sns/userinfo", Errcode: n, Times: -1})
				_, err = client.UserInfo(t.Context(), "a-token", "an-openid", "")
				for name, class := range classes {
					if is := errors.Is(err, class); is != (name == m[2]) {
						t.Errorf("%s says that %d is %s; errors.Is(…, %s) is %v for %v", page, n, m[2], name, is, err)
					}
				}
			}
		}
	}
}
