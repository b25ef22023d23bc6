package administration

import (
	"slices"
	"strings"
)

// This file has the keys of the texts with advice about a problem. The texts are in the
// catalogues of the pages.

// advicesOfWeChat are the errcodes of WeChat with a text of their own: "wechat.40164".
var advicesOfWeChat = []string{
	"-1",    // WeChat is busy
	"10003", // redirect_uri is not on the callback domain
	"10005", // the account lacks the scope
	"40001", // the secret is wrong, or the access token is invalid
	"40013", // the appid is wrong
	"40029", // the code is invalid
	"40125", // the secret is wrong
	"40163", // the code was used before
	"40164", // this server's address is not on the allow-list
	"40226", // WeChat blocked a user of high risk
	"41002", // the appid is missing
	"41004", // the secret is missing
	"42001", // the access token has expired
	"45009", // the daily limit of calls is reached
	"45011", // too many calls in a minute
	"48001", // the account lacks the permission for the API
	"50002", // the user is restricted
	"61004", // this server's address is not on the allow-list of the Open Platform
}

// advicesOfApps are the codes of problems at apps with a text of their own: "app.invalid_client".
var advicesOfApps = []string{"invalid_client", "invalid_redirect_uri", "invalid_grant", "logout_failed"}

// Advice returns the key of the text with the advice about a problem. It is one of Advices.
func Advice(source, code string) string {
	kind, _, _ := strings.Cut(source, ":")
	switch {
	case kind == "wechat" && slices.Contains(advicesOfWeChat, code),
		kind == "app" && slices.Contains(advicesOfApps, code):
		return kind + "." + code
	case kind == "wechat" || kind == "app" || kind == "notify":
		return kind + ".other"
	}
	return "other"
}

// Advices returns all keys that Advice returns, for the test of a catalogue.
func Advices() []string {
	all := []string{"wechat.other", "app.other", "notify.other", "other"}
	for _, code := range advicesOfWeChat {
		all = append(all, "wechat."+code)
	}
	for _, code := range advicesOfApps {
		all = append(all, "app."+code)
	}
	return all
}
