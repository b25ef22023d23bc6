package wechat_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/wechat"
)

// invalidResponse is a response that must lead to the error want: on the endpoint on, or on all with "".
type invalidResponse struct {
	name   string
	status int
	body   string
	want   error
	on     string
}

func invalidResponses() []invalidResponse {
	big := `{"x":"` + strings.Repeat("x", 1<<20) + `"}`
	return []invalidResponse{
		{"nothing", 200, "", wechat.ErrEmpty, ""},
		{"only space", 200, " \r\n\x00", wechat.ErrEmpty, ""},
		{"an empty object", 200, "{}", wechat.ErrEmpty, ""},
		{"an empty object with a line", 200, "{\n}\n", wechat.ErrEmpty, ""},
		{"null", 200, "null", wechat.ErrNotJSON, ""},
		{"a list", 200, "[]", wechat.ErrNotJSON, ""},
		{"a string", 200, `"ok"`, wechat.ErrNotJSON, ""},
		{"a page", 200, "<html>", wechat.ErrNotJSON, ""},
		{"a line of script", 200, "callback({})", wechat.ErrNotJSON, ""},
		{"broken", 200, `{"openid":}`, wechat.ErrNotJSON, ""},
		{"two objects", 200, `{"openid":"a"}{"openid":"b"}`, wechat.ErrNotJSON, ""},
		{"an errcode that is text", 200, `{"errcode":"none","openid":"o1","access_token":"a"}`, wechat.ErrNotJSON, ""},
		{"an errcode that is an object", 200, `{"errcode":{},"openid":"o1","access_token":"a"}`, wechat.ErrNotJSON, ""},
		{"an empty errcode", 200, `{"errcode":"","openid":"o1","access_token":"a"}`, wechat.ErrNotJSON, ""},
		{"nested too deep", 200, `{"a":` + strings.Repeat("[", 20000), wechat.ErrNotJSON, ""},
		{"cut in a key", 200, `{"acc`, wechat.ErrTruncated, ""},
		{"cut in a value", 200, `{"access_token":"83_`, wechat.ErrTruncated, ""},
		{"cut before the end", 200, strings.TrimSuffix(tokenJSON, "}"), wechat.ErrTruncated, ""},
		{"one brace", 200, "{", wechat.ErrTruncated, ""},
		{"too large", 200, big, wechat.ErrTooLarge, ""},
		{"500 and a page", 500, "<html>", wechat.ErrHTTPStatus, ""},
		{"502 and nothing", 502, "", wechat.ErrHTTPStatus, ""},
		{"500 and a success", 500, tokenJSON, wechat.ErrHTTPStatus, ""},
		{"404", 404, "not found", wechat.ErrHTTPStatus, ""},
		{"302", 302, "", wechat.ErrHTTPStatus, ""},
		{"304", 304, "", wechat.ErrHTTPStatus, ""},
		{"204", 204, "", wechat.ErrEmpty, ""},
		{"no openid", 200, `{"access_token":"83_x","expires_in":7200}`, wechat.ErrNoOpenID, "access_token"},
		{"no openid", 200, `{"access_token":"83_x","expires_in":7200}`, wechat.ErrNoOpenID, "refresh_token"},
		{"no openid", 200, `{"nickname":"x"}`, wechat.ErrNoOpenID, "userinfo"},
		{"openid empty", 200, `{"openid":"","access_token":"83_x"}`, wechat.ErrNoOpenID, "access_token"},
		{"openid null", 200, `{"openid":null,"access_token":"83_x"}`, wechat.ErrNoOpenID, "access_token"},
		{"openid a number", 200, `{"openid":12,"access_token":"83_x"}`, wechat.ErrNoOpenID, "access_token"},
		{
			"openid with damaged bytes",
			200,
			"{\"openid\":\"o\xff1\",\"access_token\":\"83_x\"}",
			wechat.ErrNoOpenID,
			"access_token",
		},
		{
			"openid with a control byte",
			200,
			"{\"openid\":\"o\x011\",\"access_token\":\"83_x\"}",
			wechat.ErrNoOpenID,
			"access_token",
		},
		{"no token", 200, `{"openid":"o1"}`, wechat.ErrNoToken, "access_token"},
		{"no token", 200, `{"openid":"o1"}`, wechat.ErrNoToken, "refresh_token"},
		{"errcode 0 and nothing else", 200, `{"errcode":0,"errmsg":"ok"}`, wechat.ErrNoOpenID, "access_token"},
		{"errcode 0 and nothing else", 200, `{"errcode":0,"errmsg":"ok"}`, wechat.ErrNoOpenID, "userinfo"},
		{
			"somebody else",
			200,
			strings.Replace(userJSON, openID, "oSomebodyElse", 1),
			wechat.ErrOtherOpenID,
			"userinfo",
		},
		{"neither yes nor no", 200, `{"errmsg":"ok"}`, wechat.ErrEmpty, "auth"},
		{"errcode null", 200, `{"errcode":null}`, wechat.ErrEmpty, "auth"},
	}
}

// Every invalid response is an error on every endpoint. Another library accepted {} as a success.
func TestInvalidResponses(t *testing.T) {
	t.Parallel()
	shapes := []error{
		wechat.ErrTransport,
		wechat.ErrHTTPStatus,
		wechat.ErrNotJSON,
		wechat.ErrTruncated,
		wechat.ErrEmpty,
		wechat.ErrNoOpenID,
		wechat.ErrOtherOpenID,
		wechat.ErrNoToken,
		wechat.ErrTooLarge,
	}
	for _, c := range invalidResponses() {
		for _, call := range calls {
			if c.on != "" && c.on != call.name {
				continue
			}
			t.Run(call.name+" "+c.name, func(t *testing.T) {
				t.Parallel()
				err := instantly(t, answering(c.status, c.body), call.call)
				var e *wechat.Error
				if !errors.As(err, &e) || e.HTTPStatus != c.status || e.Code != 0 {
					t.Fatalf("got %#v", err)
				}
				for _, shape := range shapes {
					if errors.Is(err, shape) != (shape == c.want) {
						t.Errorf("errors.Is(%v, %q) is %v", err, shape, shape != c.want)
					}
				}
				switch {
				case c.status >= 300 && c.status < 500:
					checkClass(t, err, wechat.ErrConfiguration)
				case call.name == "access_token":
					checkClass(t, err, wechat.ErrReauthorize)
				default:
					checkClass(t, err, wechat.ErrTemporary)
				}
				leaktest.Check(t, "the error", err)
			})
		}
	}
}
