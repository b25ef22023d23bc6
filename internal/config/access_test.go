package config_test

import (
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/gateway"
)

// TestAccessOfAppsWithoutTheirOwn checks the key access at the top of the file.
func TestAccessOfAppsWithoutTheirOwn(t *testing.T) {
	t.Parallel()
	const file = `
url: https://login.example.com
trusted_proxies: [127.0.0.1]
ACCESS
wechat: [{name: main, kind: official_account, appid: wx0123456789abcdef, secret: any-secret}]
apps:
  - {id: wiki, kind: forward_auth, hosts: [wiki.example.com]}
  - {id: pets, kind: forward_auth, hosts: [pets.example.com], access: OWN}
`
	for _, test := range []struct {
		name, access, own string
		wiki, pets        gateway.Access // "" = rejected
	}{
		{"a word", "access: approved", "signed_in", gateway.AccessApproved, gateway.AccessSignedIn},
		{"a list", "access: {groups: [staff]}", "signed_in", gateway.AccessListed, gateway.AccessSignedIn},
		{"null is not a rule", "access: approved", "", gateway.AccessApproved, gateway.AccessApproved},
		{"none", "", "signed_in", "", gateway.AccessSignedIn},
		{"empty list of an app", "access: signed_in", "[]", gateway.AccessSignedIn, ""},
		{"empty lists of an app", "access: signed_in", "{groups: []}", gateway.AccessSignedIn, ""},
		{"empty lists at the top", "access: {groups: []}", "signed_in", "", gateway.AccessSignedIn},
		{"mistyped at the top", "access: aproved", "signed_in", "", gateway.AccessSignedIn},
	} {
		text := strings.NewReplacer("ACCESS", test.access, "OWN", test.own).Replace(file)
		c, err := config.Parse("weigate.yaml", []byte(text), nil)
		if test.wiki == "" || test.pets == "" {
			if err == nil || strings.Count(err.Error(), "\n") != 0 {
				t.Errorf("%s: %v, want one problem", test.name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if wiki, pets := c.Apps[0].Access.Rule, c.Apps[1].Access.Rule; wiki != test.wiki || pets != test.pets {
			t.Errorf("%s: wiki %q, pets %q", test.name, wiki, pets)
		}
	}
}
