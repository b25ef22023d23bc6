package wechattest_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"time"

	"github.com/weigate/weigate/wechat/wechattest"
)

// The program under test uses one address for both of WeChat's hosts. Code returns a code without a
// browser.
func Example() {
	sim, err := wechattest.New(wechattest.Config{Seed: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	server := httptest.NewServer(sim)
	defer server.Close()

	app := sim.Apps()[0]
	code, err := sim.Code(app.AppID, "xiaoming", "snsapi_base")
	if err != nil {
		fmt.Println(err)
		return
	}
	exchange := server.URL + "/sns/oauth2/access_token?" + url.Values{"appid": {app.AppID}, "secret": {app.Secret},
		"code": {code}, "grant_type": {"authorization_code"}}.Encode()
	for range 2 {
		res, err := http.Get(exchange)
		if err != nil {
			fmt.Println(err)
			return
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		fmt.Println(res.Status, res.Header.Get("Content-Type"), len(body) > 200)
	}
	for _, c := range sim.Calls() {
		fmt.Println(c.ID, c.Endpoint, c.Person, c.Errcode)
	}
	// Output:
	// 200 OK text/plain true
	// 200 OK text/plain false
	// 1 /sns/oauth2/access_token xiaoming 0
	// 2 /sns/oauth2/access_token xiaoming 40163
}

// A fault determines the answer to the next matching requests.
func ExampleServer_Fail() {
	sim, err := wechattest.New(wechattest.Config{Seed: 1, Quirks: wechattest.Quirks{Suffix: wechattest.SuffixNone}})
	if err != nil {
		fmt.Println(err)
		return
	}
	server := httptest.NewServer(sim)
	defer server.Close()

	sim.Fail(wechattest.Fault{Endpoint: "/sns/auth", Errcode: -1})
	sim.Fail(wechattest.Fault{Endpoint: "/sns/auth", Status: http.StatusBadGateway})
	for range 3 {
		res, err := http.Get(server.URL + "/sns/auth")
		if err != nil {
			fmt.Println(err)
			return
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		fmt.Println(res.StatusCode, res.Header.Get("Content-Type"), string(body[:6]))
	}
	for _, c := range sim.Calls() {
		fmt.Println(c.ID, c.Status, c.Answer)
	}
	// Output:
	// 200 text/plain {"errc
	// 502 text/html; charset=utf-8 <html>
	// 200 text/plain {"errc
	// 1 200 {"errcode":-1,"errmsg":"system error"}
	// 2 502 answer of the fault
	// 3 200 {"errcode":41001,"errmsg":"access_token missing"}
}

// A code expires after five minutes by the simulator's clock.
func ExampleServer_Advance() {
	sim, err := wechattest.New(wechattest.Config{Seed: 1, Quirks: wechattest.Quirks{Suffix: wechattest.SuffixNone}})
	if err != nil {
		fmt.Println(err)
		return
	}
	app := sim.Apps()[0]
	code, err := sim.Code(app.AppID, "alice", "snsapi_userinfo")
	if err != nil {
		fmt.Println(err)
		return
	}
	sim.Advance(5 * time.Minute)

	r := httptest.NewRequest(http.MethodGet, "http://api.weixin.qq.com/sns/oauth2/access_token?"+url.Values{
		"appid": {app.AppID}, "secret": {app.Secret}, "code": {code}, "grant_type": {"authorization_code"}}.Encode(),
		nil)
	w := httptest.NewRecorder()
	sim.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Body)
	// Output: 200 {"errcode":40029,"errmsg":"invalid code"}
}
