package config

import "testing"

// A missing file is named, but a secret in the key of the file name is not repeated.
func TestOnlyNamesOfFilesAreShown(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"/run/secrets/wechat":              true,
		"./wechat":                         true,
		"../secrets/wechat":                true,
		"secrets/wechat.txt":               true,
		"wechat.secret":                    true,
		"/etc/weigate/AppSecret.txt":       true,
		"5e8f0b2c9d1a47f6b3e2d1c0a9f8e7d6": false, // an AppSecret
		"wechat":                           false,
		"q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=":     false, // openssl rand -base64 32
		"/9j/4AAQSkZJRgABAQEAYABgAAD+/2wBDAAgGBgcGBQgHBwc": false, // base64 with slashes
		"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.TJVA95OrM7E": false, // a JWT
	} {
		if got := looksLikePath(name); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}
