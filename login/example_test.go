package login_test

import (
	"context"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"

	"github.com/weigate/weigate/login"
	"github.com/weigate/weigate/wechat"
	"github.com/weigate/weigate/wechat/wechattest"
)

// A whole program: a page for signed-in users and one that needs a nickname. The
// simulated WeChat and its phone stand in for the real ones.
func Example() {
	sim, err := wechattest.New(wechattest.Config{Seed: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sim.Close()
	weixin := httptest.NewServer(sim)
	defer weixin.Close()

	mux := http.NewServeMux()
	app := httptest.NewServer(mux)
	defer app.Close()

	h, err := login.New(login.Config{
		URL:  app.URL,
		Keys: [][]byte{[]byte("32 random bytes, kept in a secret")},
		OfficialAccount: &wechat.Client{
			AppID: sim.Apps()[0].AppID, Secret: wechat.Secret(sim.Apps()[0].Secret),
			OpenURL: weixin.URL, APIURL: weixin.URL, // leave both out for WeChat itself
		},
		OnSignIn: func(_ context.Context, in *login.SignIn) error {
			in.Subject = "user-1" // the user's id in the program
			return nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	h.Mount(mux)
	hello := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := login.FromContext(r.Context())
		fmt.Fprintf(w, "hello, %s, called %q", s.Subject, html.EscapeString(s.Nickname))
	})
	mux.Handle("/private", h.Require(hello))
	mux.Handle("/named", h.RequireProfile(hello))

	ctx := context.Background()
	phone := sim.Phone("xiaoming")
	phone.SetLanguage("en")
	page, err := phone.Open(ctx, app.URL+"/private") // silently signed in on the way
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(page.Body)
	page, err = phone.Open(ctx, app.URL+"/named")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(page.Title)
	if _, err := phone.Follow(ctx, "Use my WeChat name and picture"); err != nil {
		fmt.Println(err)
		return
	}
	page, err = phone.Allow(ctx) // WeChat's own consent page
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(page.Body)
	// Output:
	// hello, user-1, called ""
	// Use your WeChat name and picture?
	// hello, user-1, called "小明"
}

// OnSignIn can refuse users. The page shows Text; Err goes to the log.
func ExampleRefusalError() {
	allowed := map[string]bool{}
	onSignIn := func(_ context.Context, in *login.SignIn) error {
		if !allowed[in.OpenID] {
			return &login.RefusalError{Text: "Please ask the office to add you.", Err: fmt.Errorf("openid not on the list")}
		}
		return nil
	}
	fmt.Println(onSignIn(context.Background(), &login.SignIn{}))
	// Output: login: refused by the app: openid not on the list
}

// Session serves pages that look different for those who are signed in, and
// are open to everybody.
func ExampleHandler_Session() {
	h, err := login.New(login.Config{
		URL: "https://app.example.com", Keys: [][]byte{[]byte("32 random bytes, kept in a secret")},
		OfficialAccount: &wechat.Client{AppID: "wx0123456789abcdef", Secret: "…"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = h.Session(httptest.NewRequest("GET", "/", nil))
	fmt.Println(err)
	// Output: login: no session
}
