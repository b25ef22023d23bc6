// Command silenceper signs a user in with github.com/silenceper/wechat/v2 and a
// simulated WeChat. The library is unchanged: it calls
// https://api.weixin.qq.com.
//
// Without -gateway the calls go to `weigate sim`. This shows how to test code
// with fixed host names: trust the simulator's temporary certificate authority,
// and dial the simulator for WeChat's two hosts (simulated.go). It is for tests
// only.
//
// With -gateway the calls go to `weigate serve`, which has this program as an
// app of kind relay. The changes for this are in moved.go, and are for
// production: a transport, and one host name in the authorize URL.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"github.com/silenceper/wechat/v2"
	"github.com/silenceper/wechat/v2/cache"
	"github.com/silenceper/wechat/v2/officialaccount/config"
	"github.com/silenceper/wechat/v2/officialaccount/oauth"
	"github.com/silenceper/wechat/v2/util"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "silenceper:", err)
		os.Exit(1)
	}
}

// run parses the flags, signs a user in and prints each step.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("silenceper", flag.ContinueOnError)
	flags.SetOutput(stderr)
	tlsAddr := flags.String("tls-addr", "127.0.0.1:8443", "address that weigate sim was given as --tls-addr")
	caFile := flags.String("ca", "weigate-ca.pem", "file that weigate sim was given as --ca-out")
	gateway := flags.String("gateway", "",
		"address of weigate serve, used in place of WeChat, such as http://127.0.0.1:8080")
	appID := flags.String("appid", "wx0123456789abcdef",
		"appid of an official account of the simulator, or of an app of the gateway")
	secret := flags.String("secret", "0123456789abcdef0123456789abcdef",
		"its secret at the simulator or the gateway, not a real one")
	callback := flags.String("callback", "https://shop.example.com/wechat/callback",
		"callback address on that account's domain, or on the app's return host")
	if err := flags.Parse(args); err != nil {
		return err
	}

	p := program{callback: *callback, out: stdout}
	if *gateway != "" {
		transport, err := moved(*gateway)
		if err != nil {
			return err
		}
		util.DefaultHTTPClient.Transport = transport
		p.open, p.visitor.transport = *gateway, loopback()
	} else {
		ca, err := os.ReadFile(*caFile)
		if err != nil {
			return fmt.Errorf("read the simulator's certificate authority: %w", err)
		}
		transport, err := simulated(*tlsAddr, ca)
		if err != nil {
			return err
		}
		defer transport.CloseIdleConnections()
		// The library has one HTTP client per process.
		util.DefaultHTTPClient.Transport = transport
		p.open, p.visitor.transport = wechatOpen, transport
	}
	account := wechat.NewWechat().GetOfficialAccount(&config.Config{
		AppID: *appID, AppSecret: *secret, Cache: cache.NewMemory(),
	})
	p.oauth = account.GetOauth()
	return p.signIn(ctx)
}

// program is an existing app. Of Weigate it has only an address.
type program struct {
	oauth    *oauth.Oauth
	open     string // base of the authorize URL: WeChat's host, or the gateway
	visitor  visitor
	callback string
	out      io.Writer
}

// signIn runs all steps: openid only, openid with profile, refresh, check. It
// returns the first error.
func (p program) signIn(ctx context.Context) error {
	base, err := p.exchange(ctx, "snsapi_base", "base1")
	if err != nil {
		return fmt.Errorf("base: %w", err)
	}
	fmt.Fprintf(p.out, "base     openid %s, scope %s\n", base.OpenID, base.Scope)

	token, err := p.exchange(ctx, "snsapi_userinfo", "profile1")
	if err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	if token.OpenID != base.OpenID {
		return fmt.Errorf("profile: openid %s, but base gave %s", token.OpenID, base.OpenID)
	}
	person, err := p.oauth.GetUserInfoContext(ctx, token.AccessToken, token.OpenID, "zh_CN")
	if err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	fmt.Fprintf(p.out, "profile  openid %s, nickname %s, avatar %s\n", person.OpenID, person.Nickname, person.HeadImgURL)

	fresh, err := p.oauth.RefreshAccessTokenContext(ctx, token.RefreshToken)
	if err != nil {
		return fmt.Errorf("refresh: %w", err)
	}
	fmt.Fprintf(p.out, "refresh  openid %s, %d more seconds\n", fresh.OpenID, fresh.ExpiresIn)

	valid, err := p.oauth.CheckAccessTokenContext(ctx, fresh.AccessToken, fresh.OpenID)
	if err != nil {
		return fmt.Errorf("check: %w", err)
	}
	other, err := p.oauth.CheckAccessTokenContext(ctx, fresh.AccessToken, "o000000000000000000000000000")
	if err != nil {
		return fmt.Errorf("check: %w", err)
	}
	if !valid || other {
		return fmt.Errorf("check: valid for its own openid: %t, for another: %t", valid, other)
	}
	fmt.Fprintln(p.out, "check    the token is valid for this openid and for no other")
	return nil
}

// exchange opens the authorize URL as the visitor and exchanges the code.
func (p program) exchange(ctx context.Context, scope, state string) (oauth.ResAccessToken, error) {
	var token oauth.ResAccessToken
	authorize, err := p.oauth.GetRedirectURL(p.callback, scope, state)
	if err != nil {
		return token, err
	}
	authorize = strings.Replace(authorize, wechatOpen, p.open, 1)
	code, err := p.visitor.open(ctx, authorize, p.callback, state)
	if err != nil {
		return token, err
	}
	return p.oauth.GetUserAccessTokenContext(ctx, code)
}
