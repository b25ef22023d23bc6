package cli

import (
	"strings"
	"testing"
)

// TestZoneThatEndsAComment puts line breaks of YAML into the zone of an IPv6 address. The
// configuration has the URL in a comment too, and the rest of the zone would be a key.
func TestZoneThatEndsAComment(t *testing.T) {
	t.Parallel()
	for _, zone := range []string{
		"eth0", "x\u2028insecure:\u2028true", "x\u2029listen:\u2029foo", "x\u0085language:\u0085zz",
	} {
		a := answers{URL: "https://[fe80::1%25" + zone + "]", Kind: "subscription_account", AppID: "wx0123456789abcdef",
			AccountName: "n", Access: "approved", Store: "weigate.db"}
		a.token, a.aesKey = newPushSecrets()
		for _, language := range []string{"en", "zh-CN"} {
			text, err := a.text(language)
			if err != nil {
				t.Fatal(err)
			}
			if err := a.check(text); err == nil || !strings.Contains(err.Error(), "--url: IPv6 address must not have a zone") {
				t.Errorf("%q: got %v", zone, err)
			}
		}
	}
}
