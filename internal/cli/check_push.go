package cli

import (
	"context"
	"crypto/rand"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/app"
	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/origin"
	"github.com/weigate/weigate/wechat"
)

// This file checks message push (消息推送) of the accounts, as far as that is possible from this machine:
// WeChat itself cannot be asked whether it reaches the gateway.

// checkPush checks the address to which WeChat pushes messages, as WeChat's console does when the
// address is saved. It also checks that the address to which the gateway forwards messages is
// reachable, and whether the account has the right to make QR codes for the sign-in method follow.
func checkPush(ctx context.Context, conf *config.Config, report func(string, lang.Message, error)) {
	for _, c := range conf.WeChat {
		if !c.Push.Enabled {
			continue
		}
		name := "wechat." + c.Name + ".push"
		result, err := checkPushAddress(ctx, conf.URL+"/wechat/push/"+c.Name, c)
		if err != nil {
			err = lang.Errorf("%s: %w", name, err)
		}
		report(name, result, err)
		if forward := c.Push.Forward; forward != "" {
			result, err := checkServer(conf, name+".forward", forward, func() error {
				return app.ReachApp(ctx, conf, forward)
			})
			report(name+".forward", result, err)
		}
		if slices.Contains(c.Methods(), config.MethodFollow) {
			result, err := checkFollow(ctx, c)
			report(name+".follow", result, err)
		}
	}
}

// checkPushAddress sends what WeChat's console sends, with a random echostr. WeChat requires port 80 or
// 443; a simulator on this machine does not.
func checkPushAddress(ctx context.Context, address string, c config.Connector) (result lang.Message, err error) {
	u, err := url.Parse(address)
	if err != nil {
		return result, err
	}
	if port := u.Port(); port != "" && port != "80" && port != "443" && !origin.IsLoopback(u.Hostname()) {
		return result, withHint(lang.Errorf("WeChat sends messages to the ports 80 and 443 only, not to %s", port),
			"put a reverse proxy with one of these ports in front, and change url")
	}
	timestamp, echo := strconv.FormatInt(time.Now().Unix(), 10), rand.Text()
	values := []string{string(c.Push.Token), timestamp, echo}
	slices.Sort(values)
	sum := sha1.Sum([]byte(strings.Join(values, "")))
	u.RawQuery = url.Values{"signature": {hex.EncodeToString(sum[:])}, "timestamp": {timestamp}, "nonce": {echo},
		"echostr": {echo}}.Encode()
	ctx, cancel := context.WithTimeout(ctx, responseTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return result, err
	}
	response, err := forOneCheck(http.DefaultTransport).RoundTrip(r) // follows no redirects: WeChat does not either
	if err != nil {
		return lang.Text("%s does not answer from here: start the gateway, then check again", address), nil
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 4096))
	switch {
	case err != nil:
		return result, err
	case response.StatusCode >= 300 && response.StatusCode < 400:
		return result, withHint(lang.Errorf("%s redirects: WeChat does not follow redirects", address),
			"enter the address behind the redirect as url")
	case response.StatusCode == http.StatusOK && string(body) == echo:
		return lang.Text("enter %s at WeChat as URL; it answers the check with this token", address), nil
	case response.StatusCode == http.StatusForbidden:
		return result, withHint(lang.Errorf("%s refuses the token", address),
			"the gateway runs with another configuration: reload it. Its log has the reason")
	}
	return result, withHint(lang.Errorf("%s answers with status %d, and not with the echostr", address,
		response.StatusCode),
		"check the reverse proxy: it must pass this path to the gateway")
}

// checkFollow asks WeChat for a QR code with a parameter, as the sign-in method follow needs it.
// The code is valid for a minute.
func checkFollow(ctx context.Context, c config.Connector) (result lang.Message, err error) {
	account := &wechat.StableToken{Client: &wechat.Client{AppID: c.AppID, Secret: c.Secret, APIURL: c.API,
		OpenURL: c.Open}}
	_, err = account.CreateQRCode(ctx, wechat.QRCodeRequest{Scene: "weigate-check", Life: time.Minute})
	var answer *wechat.Error
	switch {
	case err == nil:
		return lang.Text("the account may make QR codes with a parameter"), nil
	case errors.As(err, &answer) && answer.Code == 48001:
		return lang.Text("not available: only a verified service account may make QR codes (48001)"), nil
	}
	if errors.Is(err, wechat.ErrTransport) {
		err = lang.Errorf("cannot reach WeChat at %s: %w", c.API, transportCause(err))
	}
	return result, lang.Errorf("wechat.%s: %w", c.Name, err)
}
