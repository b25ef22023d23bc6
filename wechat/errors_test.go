package wechat_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/wechat"
)

var classes = []error{
	wechat.ErrReauthorize,
	wechat.ErrTokenExpired,
	wechat.ErrRateLimited,
	wechat.ErrTemporary,
	wechat.ErrConfiguration,
	wechat.ErrUserRestricted,
}

// checkClass fails the test unless err has the class want and no other class.
func checkClass(t *testing.T, err, want error) {
	t.Helper()
	for _, class := range classes {
		if errors.Is(err, class) != (class == want) {
			t.Errorf("errors.Is(%v, %q) is %v", err, class, class != want)
		}
	}
}

// WeChat reports errors with status 200. Each errcode has one class; some depend on the endpoint.
func TestErrcodes(t *testing.T) {
	t.Parallel()
	const token, refresh, user, auth = "access_token", "refresh_token", "userinfo", "auth"
	cases := []struct {
		code  int
		class error
		on    string // "": every endpoint
	}{
		{-1, wechat.ErrTemporary, ""},
		{40001, wechat.ErrConfiguration, token}, {40001, wechat.ErrReauthorize, refresh},
		{40001, wechat.ErrTokenExpired, user}, {40001, wechat.ErrTokenExpired, auth},
		{40002, wechat.ErrConfiguration, ""},
		{40003, wechat.ErrReauthorize, ""},
		{40013, wechat.ErrConfiguration, ""},
		{40014, wechat.ErrTokenExpired, user}, {42001, wechat.ErrTokenExpired, user},
		{40029, wechat.ErrReauthorize, ""}, {40030, wechat.ErrReauthorize, ""},
		{40066, wechat.ErrConfiguration, ""}, {40125, wechat.ErrConfiguration, ""},
		{40163, wechat.ErrReauthorize, ""},
		{40164, wechat.ErrConfiguration, ""},
		{40226, wechat.ErrUserRestricted, ""},
		{
			41001,
			wechat.ErrConfiguration,
			"",
		}, {41002, wechat.ErrConfiguration, ""}, {41003, wechat.ErrConfiguration, ""},
		{
			41004,
			wechat.ErrConfiguration,
			"",
		}, {41008, wechat.ErrConfiguration, ""}, {41009, wechat.ErrConfiguration, ""},
		{42002, wechat.ErrReauthorize, ""}, {42003, wechat.ErrReauthorize, ""}, {42007, wechat.ErrReauthorize, ""},
		{43001, wechat.ErrConfiguration, ""}, {43003, wechat.ErrConfiguration, ""},
		{45009, wechat.ErrRateLimited, ""}, {45011, wechat.ErrRateLimited, ""},
		{
			48001,
			wechat.ErrConfiguration,
			"",
		}, {48004, wechat.ErrConfiguration, ""}, {48017, wechat.ErrConfiguration, ""},
		{50001, wechat.ErrReauthorize, ""}, {50002, wechat.ErrUserRestricted, ""},
		{61004, wechat.ErrConfiguration, ""}, {61007, wechat.ErrConfiguration, ""}, {61010, wechat.ErrReauthorize, ""},
		{99999, nil, ""}, {-2, nil, ""},
	}
	for _, c := range cases {
		for _, call := range calls {
			if c.on != "" && c.on != call.name {
				continue
			}
			t.Run(fmt.Sprint(call.name, " ", c.code), func(t *testing.T) {
				t.Parallel()
				err := instantly(
					t,
					answering(
						200,
						fmt.Sprintf(`{"errcode":%d,"errmsg":"the text, rid: 65a33cd8-023106e1-2dc7e2f6"}`, c.code),
					),
					call.call,
				)
				var e *wechat.Error
				if !errors.As(err, &e) {
					t.Fatalf("the error is %T: %v", err, err)
				}
				if e.Code != c.code || e.Message != "the text" || e.RequestID != "65a33cd8-023106e1-2dc7e2f6" ||
					e.HTTPStatus != 200 ||
					e.Endpoint != call.name {
					t.Errorf("got %+v", *e)
				}
				checkClass(t, err, c.class)
				if errors.Is(err, wechat.ErrCodeUsed) != (c.code == 40163) ||
					errors.Is(err, wechat.ErrInvalidCode) != (c.code == 40029) {
					t.Error("ErrCodeUsed or ErrInvalidCode is wrong")
				}
				leaktest.Check(t, "the error", err, *e)
			})
		}
	}
}

// The text of an error has the endpoint, the problem and a hint.
func TestErrorText(t *testing.T) {
	t.Parallel()
	cases := []struct{ body, want string }{
		{`{"errcode":40163,"errmsg":"code been used, rid: 61783524-6e9fd6bc-59d4a1b8"}`,
			`wechat: access_token: the code was already used ` +
				`(errcode 40163, "code been used", rid 61783524-6e9fd6bc-59d4a1b8); start sign-in again`},
		{
			`{"errcode":40164,"errmsg":"invalid ip 8.149.0.108 ipv6 ::ffff:8.149.0.108, not in whitelist ` +
				`rid: 66e55c80-023106e1-2dc7e2f6"}`,
			`wechat: access_token: WeChat rejects calls from this server's IP address ` +
				`(errcode 40164, "invalid ip 8.149.0.108 ipv6 ::ffff:8.149.0.108, not in whitelist", ` +
				`rid 66e55c80-023106e1-2dc7e2f6); add the address to the IP allow-list (IP白名单) of the app`,
		},
		{`{"errcode":12345}`,
			`wechat: access_token: unknown errcode (errcode 12345); ` +
				`look the errcode up in WeChat's table of global return codes (全局返回码)`},
		{`{}`, `wechat: access_token: response is empty; the code may be spent, so start sign-in again`},
		{
			`<!DOCTYPE html>`,
			`wechat: access_token: response is not a JSON object: looks like HTML, 15 bytes; ` +
				`the code may be spent, so start sign-in again`,
		},
	}
	for _, c := range cases {
		_, err := answering(200, c.body).Exchange(t.Context(), code)
		if err == nil || err.Error() != c.want {
			t.Errorf("got  %v\nwant %s", err, c.want)
		}
	}
}

// An errcode counts even when a proxy changed the HTTP status.
func TestErrcodeBehindABadStatus(t *testing.T) {
	t.Parallel()
	_, err := answering(412, `{"errcode":40029,"errmsg":"invalid code"}`).Exchange(t.Context(), code)
	var e *wechat.Error
	if !errors.As(err, &e) || e.Code != 40029 || e.HTTPStatus != 412 || !errors.Is(err, wechat.ErrInvalidCode) {
		t.Errorf("got %v", err)
	}
	for status, class := range map[int]error{
		429: wechat.ErrRateLimited, 408: wechat.ErrTemporary, 503: wechat.ErrTemporary, 403: wechat.ErrConfiguration,
	} {
		err := instantly(t, answering(status, ""), calls[2].call)
		checkClass(t, err, class)
	}
}

// The Content-Type is unreliable: text/plain, "encoding=" instead of "charset=", or none.
func TestAnswersAreReadByContent(t *testing.T) {
	t.Parallel()
	for _, header := range []string{
		"text/plain", "application/json; encoding=utf-8", "text/html; charset=iso-8859-1", "image/png", "",
	} {
		c := clientOf(func(r *http.Request) (*http.Response, error) {
			resp := respond(r, 200, userJSON)
			resp.Header.Set("Content-Type", header)
			return resp, nil
		})
		u, err := c.UserInfo(t.Context(), access, openID, "")
		if err != nil || u.Nickname != "归零" {
			t.Errorf("Content-Type %q: %v, %v", header, u, err)
		}
	}
}

func TestSuffixOfErrmsg(t *testing.T) {
	t.Parallel()
	cases := []struct{ errmsg, message, id string }{
		{"invalid code", "invalid code", ""},
		{"code been used, hints: [ req_id: 5P_i5a0393th31 ]", "code been used", "5P_i5a0393th31"},
		{"invalid code, hints: [req_id: aB.c-d_e1]", "invalid code", "aB.c-d_e1"},
		{"invalid appsecret, rid: 61783524-6e9fd6bc-59d4a1b8", "invalid appsecret", "61783524-6e9fd6bc-59d4a1b8"},
		{"access_token expired hint: [xJzlnA0121vr63!]", "access_token expired", "xJzlnA0121vr63!"},
		{"invalid grant_type rid: 5f386c70-441d34a9-7baebd7c", "invalid grant_type", "5f386c70-441d34a9-7baebd7c"},
		{
			"invalid code hint: [IfGfmt0sf-EcnJ2a] rid: 6371b395-2bd86df0-34b61245",
			"invalid code",
			"6371b395-2bd86df0-34b61245",
		},
		{
			"invalid code, hint: [1591924732_61_57d8962d], from ip: 1.2.3.4, " +
				"more info at https://open.work.weixin.qq.com/devtool/query?e=40029",
			"invalid code",
			"1591924732_61_57d8962d",
		},
		{"invalid code, rid: 61783524-6e9fd6bc-59d4a1b8 \n", "invalid code", "61783524-6e9fd6bc-59d4a1b8"},
		{"grid: 5f386c70-441d34a9-7baebd7c is a word", "grid: 5f386c70-441d34a9-7baebd7c is a word", ""},
		{"hint: [", "hint: [", ""},
		{"", "", ""},
		{"a\x07b\u0085c", "a bc", ""},
		{strings.Repeat("错", 200), strings.Repeat("错", 85), ""},
	}
	for _, c := range cases {
		body, err := json.Marshal(map[string]any{"errcode": 40029, "errmsg": c.errmsg})
		if err != nil {
			t.Fatal(err)
		}
		body = bytes.ReplaceAll(body, []byte(`\u0007`), []byte("\x07")) // as WeChat sends it
		_, err = answering(200, string(body)).Exchange(t.Context(), code)
		var e *wechat.Error
		if !errors.As(err, &e) || e.Message != c.message || e.RequestID != c.id {
			t.Errorf("%q gave %#v", c.errmsg, e)
		}
	}
}

// CheckToken returns nil for errcode 0 only. Another library reported "system busy" as an invalid
// token.
func TestCheckTokenIsNilOnlyOnErrcodeZero(t *testing.T) {
	t.Parallel()
	for body, good := range map[string]bool{
		`{"errcode":0,"errmsg":"ok"}`: true, `{"errcode":"0"}`: true, `{"errmsg":"ok","errcode":0}`: true,
		`{"errmsg":"ok"}`: false, `{}`: false, `{"errcode":-1,"errmsg":"system error"}`: false,
		`{"errcode":40003,"errmsg":"invalid openid"}`: false,
		`{"errcode":true}`:                            false, `{"errcode":"zero"}`: false, `ok`: false, ``: false,
		`{"errcode":0.5}`: false, `{"errcode":[]}`: false,
	} {
		if err := instantly(t, answering(200, body), calls[3].call); (err == nil) != good {
			t.Errorf("%s gave %v", body, err)
		}
	}
}

func TestCallsThatAreNotMade(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	client := func(id string, secret wechat.Secret) *wechat.Client {
		c := silent(t)
		c.AppID, c.Secret = id, secret
		return c
	}
	cases := map[string]struct {
		err  error
		want error
	}{
		"exchange without a secret":   {second(client(appID, "").Exchange(ctx, code)), wechat.ErrConfiguration},
		"exchange without an appid":   {second(client("", "x").Exchange(ctx, code)), wechat.ErrAppID},
		"refresh without an appid":    {second(client("a&b", "x").Refresh(ctx, fresh)), wechat.ErrAppID},
		"user info without a token":   {second(client(appID, "x").UserInfo(ctx, "", openID, "")), wechat.ErrNoToken},
		"user info without an openid": {second(client(appID, "x").UserInfo(ctx, access, "", "")), wechat.ErrNoOpenID},
		"user info with lang cn": {
			second(client(appID, "x").UserInfo(ctx, access, openID, "cn")),
			wechat.ErrLang,
		},
		"check of nothing":            {client(appID, "x").CheckToken(ctx, "", openID), wechat.ErrNoToken},
		"check without an openid":     {client(appID, "x").CheckToken(ctx, access, ""), wechat.ErrNoOpenID},
		"check with a damaged openid": {client(appID, "x").CheckToken(ctx, access, "o\n1"), wechat.ErrNoOpenID},
		"user info with lang of a page": {
			second(client(appID, "x").UserInfo(ctx, access, openID, "en&openid=o2")),
			wechat.ErrLang,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !errors.Is(c.err, c.want) {
				t.Errorf("got %v", c.err)
			}
			checkClass(t, c.err, wechat.ErrConfiguration)
			leaktest.Check(t, "the error", c.err)
		})
	}
}

// slog prints the text of an error and none of its fields.
func TestErrorInALog(t *testing.T) {
	t.Parallel()
	_, err := answering(200, `{"errcode":40163,"errmsg":"code been used"}`).Exchange(t.Context(), code)
	var out bytes.Buffer
	slog.New(slog.NewJSONHandler(&out, nil)).Warn("sign-in failed", "err", err)
	if !strings.Contains(out.String(), "already used") {
		t.Errorf("the log says %s", out.String())
	}
}

// Programs construct errors in their tests: the exported fields determine the class.
func TestErrorMadeByHand(t *testing.T) {
	t.Parallel()
	cases := []struct {
		err   wechat.Error
		class error
	}{
		{wechat.Error{Endpoint: "access_token", Code: 40163}, wechat.ErrReauthorize},
		{wechat.Error{Endpoint: "userinfo", Code: 42001}, wechat.ErrTokenExpired},
		{wechat.Error{Endpoint: "userinfo", Err: wechat.ErrTransport}, wechat.ErrTemporary},
		{
			wechat.Error{Endpoint: "access_token", Err: fmt.Errorf("%w: %w", wechat.ErrTransport, context.Canceled)},
			wechat.ErrReauthorize,
		},
		{wechat.Error{}, nil},
	}
	for _, c := range cases {
		checkClass(t, &c.err, c.class)
		if c.err.Error() == "" {
			t.Error("no text")
		}
	}
}
