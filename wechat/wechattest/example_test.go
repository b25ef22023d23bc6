package wechattest_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"

	"github.com/weigate/weigate/wechat/wechattest"
)

// A program under test is pointed at one address for both of WeChat's hosts. Code gives it a code without a browser.
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
	exchange := server.URL + "/sns/oauth2/access_token?" + url.Values{"appid": {app.AppID}, "secret": {app.Secret}, "code": {code}, "grant_type": {"authorization_code"}}.Encode()
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
