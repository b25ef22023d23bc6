// Command signin measures complete first sign-ins at an app through the gateway, and prints how many
// succeed in a second: a new browser without a session, a user that the gateway does not know, WeChat,
// the code, the tokens and the user info. README.md describes how to read it.
//
// The gateway runs as "weigate serve"; WeChat, the browsers and the app are in this process. It
// runs on Linux.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weigate/weigate/bench/load"
)

const (
	clientID    = "sample"
	redirectURI = "http://127.0.0.1:1/callback"
)

const apps = `[{id: ` + clientID + `, kind: oidc, name: Sample, secret: ` + load.Secret + `, access: signed_in,
  redirect_uris: ["` + redirectURI + `"]}]`

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "signin:", err)
		os.Exit(1)
	}
}

func run() error {
	c := load.Config{Apps: apps}
	flag.StringVar(&c.Store, "store", "sqlite:weigate.db",
		"the store, as in the configuration: postgres://… for PostgreSQL, an empty database")
	flag.StringVar(&c.Program, "program", "", "the program weigate, to compare another version; by default it is built")
	flag.IntVar(&c.Users, "users", 100000, "how many users there are; each signs in once")
	busy := flag.Duration("for", 10*time.Second, "how long is measured")
	workers := flag.Int("workers", 16, "how many browsers sign in at once")
	flag.Parse()
	dir, err := os.MkdirTemp("", "weigate-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	g, err := load.Start(dir, c)
	if err != nil {
		return err
	}
	defer g.Stop()
	if err := signIn(g, load.UserID(0)); err != nil { // before the time is measured: connections, signing keys
		return err
	}
	var next, done atomic.Int64
	cost, err := g.Measure(*busy, func(until time.Time) {
		var all sync.WaitGroup
		for range *workers {
			all.Go(func() {
				for time.Now().Before(until) && g.Failed() == nil {
					i := int(next.Add(1))
					if i >= c.Users {
						g.Fail(errors.New("every user has signed in: -users is too small"))
						return
					}
					g.Fail(signIn(g, load.UserID(i)))
					done.Add(1)
				}
			})
		}
		all.Wait()
	})
	if err := errors.Join(err, g.Failed()); err != nil {
		return err
	}
	name, _, _ := strings.Cut(c.Store, ":")
	fmt.Printf("%s: %.0f first sign-ins a second (%d, no failure), %.1f MB, %.1f %% of one core\n",
		name, float64(done.Load())/cost.Seconds, done.Load(), cost.MB, cost.Percent)
	return nil
}

// signIn signs one user in with a new browser, and redeems the code as the app does.
func signIn(g *load.Gateway, user string) error {
	ctx := context.Background()
	b, err := g.NewBrowser(load.WeChat, user)
	if err != nil {
		return err
	}
	request := url.Values{"response_type": {"code"}, "client_id": {clientID}, "redirect_uri": {redirectURI},
		"scope": {"openid"}, "state": {"s"}, "nonce": {"n"}}
	address := g.URL + "/oauth2/authorize?" + request.Encode()
	if _, err := b.Open(ctx, http.MethodGet, address, nil, redirectURI); err != nil {
		return err
	}
	if !strings.HasPrefix(b.At, redirectURI) {
		return errors.New("the browser did not return to the app, but is at " + b.At)
	}
	at, err := url.Parse(b.At)
	if err != nil {
		return err
	}
	form := url.Values{"grant_type": {"authorization_code"}, "code": at.Query()["code"], "redirect_uri": {redirectURI}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, g.URL+"/oauth2/token", strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(clientID, load.Secret)
	var tokens struct {
		AccessToken string `json:"access_token"`
	}
	if err := call(r, &tokens); err != nil {
		return err
	}
	r, err = http.NewRequestWithContext(ctx, http.MethodGet, g.URL+"/oauth2/userinfo", nil)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+tokens.AccessToken)
	var info struct{ Sub string }
	if err := call(r, &info); err != nil {
		return err
	}
	if info.Sub == "" {
		return errors.New("user info without sub")
	}
	return nil
}

// call sends a request and parses the JSON of its response.
func call(r *http.Request, into any) error {
	res, err := load.Client.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", r.URL.Path, res.Status)
	}
	return json.NewDecoder(res.Body).Decode(into)
}
