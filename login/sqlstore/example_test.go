package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite"

	"github.com/weigate/weigate/login"
	"github.com/weigate/weigate/login/sqlstore"
	"github.com/weigate/weigate/wechat"
	"github.com/weigate/weigate/wechat/wechattest"
)

// Users stay signed in when the program restarts. The simulated WeChat and its phone stand in for the
// real ones.
func Example() {
	if err := signInAndRestart(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// at the first start: hello, wx0123456789abcdef
	// after a restart: hello, wx0123456789abcdef
	// WeChat redeemed codes: 1
}

func signInAndRestart(ctx context.Context) error {
	sim, err := wechattest.New(wechattest.Config{Seed: 1, Apps: []wechattest.App{
		{AppID: "wx0123456789abcdef", Secret: "any-secret", Domains: []string{"127.0.0.1"}},
	}})
	if err != nil {
		return err
	}
	defer sim.Close()
	redeemed := 0
	weixin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/sns/oauth2/access_token" {
			redeemed++
		}
		sim.ServeHTTP(w, r)
	}))
	defer weixin.Close()
	var mux *http.ServeMux
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { mux.ServeHTTP(w, r) }))
	defer app.Close()

	dir, err := os.MkdirTemp("", "sqlstore")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	phone := sim.Phone("xiaoming")
	for _, moment := range []string{"at the first start", "after a restart"} {
		db, err := sql.Open("sqlite", filepath.Join(dir, "login.db"))
		if err != nil {
			return err
		}
		defer db.Close()
		store, err := sqlstore.Open(ctx, db, sqlstore.SQLite)
		if err != nil {
			return err
		}
		handler, err := login.New(login.Config{
			URL:   app.URL,
			Keys:  [][]byte{[]byte("32 random bytes, kept in a secret")},
			Store: store,
			OfficialAccount: &wechat.Client{AppID: "wx0123456789abcdef", Secret: "any-secret",
				OpenURL: weixin.URL, APIURL: weixin.URL},
		})
		if err != nil {
			return err
		}
		mux = http.NewServeMux()
		handler.Mount(mux)
		mux.Handle("/private", handler.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s, _ := login.FromContext(r.Context())
			fmt.Fprintf(w, "hello, %s", s.AppID)
		})))
		page, err := phone.Open(ctx, app.URL+"/private")
		if err != nil {
			return err
		}
		fmt.Printf("%s: %s\n", moment, page.Body)
	}
	fmt.Println("WeChat redeemed codes:", redeemed)
	return nil
}
