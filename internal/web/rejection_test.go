package web_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/web"
)

// TestSecretsInAddressesAreNotLogged writes a secret into each part of an address that may contain
// one, also in the ways that programs write by mistake.
func TestSecretsInAddressesAreNotLogged(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"https://user:SECRET@shop.example.com/cb":   "https://…@shop.example.com/cb",
		"https://a@b:SECRET@shop.example.com/":      "https://…@shop.example.com/",
		"https:user:SECRET@shop.example.com":        "https:…@shop.example.com",
		`https:\\user:SECRET@shop.example.com/`:     `https:\\…@shop.example.com/`,
		"ftp:///user:SECRET@shop.example.com":       "ftp:///…@shop.example.com",
		"//user:SECRET@shop.example.com/":           "//…@shop.example.com/",
		"user:SECRET@shop.example.com/cb":           "user:…@shop.example.com/cb",
		"https://shop.example.com/cb?code=SECRET":   "https://shop.example.com/cb?code=…",
		"https://shop.example.com/cb?SECRET":        "https://shop.example.com/cb?…",
		"https://shop.example.com/?a=SECRET;SECRET": "https://shop.example.com/?a=…;…",
		"https://shop.example.com/?a=1&SECRET&b=":   "https://shop.example.com/?a=…&…&b=…",
		"https://shop.example.com/%3Fcode%3DSECRET": "https://shop.example.com/%3F…",
		"https://shop.example.com/%3fcode=SECRET":   "https://shop.example.com/%3fcode=…",
		"https://shop.example.com/cb#SECRET":        "https://shop.example.com/cb",
		"https://shop.example.com/@alice/cb?":       "https://shop.example.com/@alice/cb?",
		"https://shop.example.com/p@th":             "https://shop.example.com/p@th",
		"":                                          "",
	} {
		got := web.LoggedURL(address)
		if got != want || strings.Contains(got, "SECRET") {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
	got := web.LoggedURLs([]string{"https://shop.example.com/cb?key=SECRET", "com.example.app:/cb"})
	if !slices.Equal(got, []string{"https://shop.example.com/cb?key=…", "com.example.app:/cb"}) {
		t.Errorf("registered addresses: %s", got)
	}
}
