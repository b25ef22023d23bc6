package wechattest_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"

	"github.com/weigate/weigate/wechat/wechattest"
)

// A person opens a link of an app in WeChat and consents.
func ExampleServer_Phone() {
	sim, err := wechattest.New(wechattest.Config{Seed: 1})
	if err != nil {
		log.Fatal(err)
	}
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "a code: %t, state %s", r.FormValue("code") != "", r.FormValue("state"))
	}))
	defer app.Close()

	ctx := context.Background()
	phone := sim.Phone("alice")
	phone.SetLanguage("en")
	page, err := phone.Open(ctx, "https://open.weixin.qq.com/connect/oauth2/authorize?appid="+sim.Apps()[0].AppID+
		"&redirect_uri="+url.QueryEscape(app.URL+"/callback")+
		"&response_type=code&scope=snsapi_userinfo&state=abc#wechat_redirect")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(page.Title)
	if page, err = phone.Allow(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println(page.Body)
	// Output:
	// WeChat login
	// a code: true, state abc
}
