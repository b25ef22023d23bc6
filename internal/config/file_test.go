package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/filemode"
	"github.com/weigate/weigate/internal/leaktest"
)

const (
	connector      = "wechat: [{name: main, kind: official_account, appid: wx0123456789abcdef, secret_file: appsecret}]\n"
	withoutSecrets = head + connector
)

// configFile writes a configuration, with the file appsecret beside it, and returns its path.
func configFile(t *testing.T, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "weigate.yaml")
	for name, content := range map[string]string{
		path: text, filepath.Join(filepath.Dir(path), "appsecret"): leaktest.Secret + "\n",
	} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestConfigurationOfOtherUsersIsRejected loads files that other users of the machine can change, so
// that they could send the gateway's users to their own server, and files whose secrets they can
// read.
func TestConfigurationOfOtherUsersIsRejected(t *testing.T) {
	t.Parallel()
	const (
		writable = "file is writable by other users: chmod go-w "
		readable = "file is readable by other users: chmod o-rwx "
		password = head + "store: postgres://weigate:password@db.example.com/weigate\n" + connector
	)
	for _, tt := range []struct {
		name, text string
		mode       os.FileMode
		env        map[string]string
		want       string // "" = accepted
	}{
		{name: "of its owner", text: good, mode: 0o600},
		{name: "readable by its group", text: good, mode: 0o640},
		{name: "readable, without secrets", text: withoutSecrets, mode: 0o644},
		{name: "readable, without a password", mode: 0o644,
			text: strings.Replace(password, ":password", "", 1)},
		{name: "writable by all", text: good, mode: 0o666, want: writable},
		{name: "writable by its group", text: good, mode: 0o660, want: writable},
		{name: "writable, without secrets", text: withoutSecrets, mode: 0o664, want: writable},
		{name: "readable, with secrets", text: good, mode: 0o644, want: readable},
		{name: "readable, with a password", text: password, mode: 0o644, want: readable},
		{name: "readable, with a password as parameter", mode: 0o644, want: readable,
			text: strings.Replace(password, "weigate:password@db.example.com/weigate", "/weigate?password=password", 1)},
		{name: "readable, with a secret that a variable replaces", mode: 0o644, want: readable,
			text: strings.Replace(withoutSecrets, "secret_file: appsecret", "secret: from-the-file", 1),
			env:  map[string]string{"WEIGATE_WECHAT_MAIN_SECRET": leaktest.Secret}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := configFile(t, tt.text, tt.mode)
			_, err := config.Load(path, func(name string) string { return tt.env[name] })
			if tt.want == "" {
				if err != nil {
					t.Errorf("got %v", err)
				}
				return
			}
			var problems config.Problems
			if want := path + ": " + tt.want + filemode.Quote(path); !errors.As(err, &problems) || err.Error() != want {
				t.Errorf("got %v, want %s", err, want)
			}
		})
	}
}

// TestPathsAreRelativeToTheConfigurationFile loads a configuration from another folder: the gateway
// must find its database and master key wherever it is started.
func TestPathsAreRelativeToTheConfigurationFile(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, more string
		env        map[string]string
		store, key string // below the folder of the file
	}{
		{name: "default values", store: "weigate.db", key: "weigate.key"},
		{name: "in the file", more: "store: sqlite:data/w.db\nmaster_key_file: ../w.key\n",
			store: "data/w.db", key: "../w.key"},
		{name: "in variables", env: map[string]string{"WEIGATE_STORE": "sqlite:data/w.db", "WEIGATE_MASTER_KEY_FILE": "w.key",
			"WEIGATE_WECHAT_MAIN_SECRET_FILE": "./appsecret"}, store: "data/w.db", key: "w.key"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := configFile(t, withoutSecrets+tt.more, 0o600)
			c, err := config.Load(path, func(name string) string { return tt.env[name] })
			if err != nil {
				t.Fatal(err)
			}
			store, ok := c.StoreFile()
			dir := filepath.Dir(path)
			if !ok || store != filepath.Join(dir, tt.store) || c.MasterKeyFile != filepath.Join(dir, tt.key) {
				t.Errorf("store %s, master key %s", store, c.MasterKeyFile)
			}
			if string(c.WeChat[0].Secret) != leaktest.Secret {
				t.Error("the secret is not that of the file beside the configuration")
			}
		})
	}
	path := configFile(t, withoutSecrets+"store: 'sqlite::memory:'\nmaster_key_file: /etc/w.key\n", 0o600)
	c, err := config.Load(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := c.StoreFile(); ok || c.Store != "sqlite::memory:" || c.MasterKeyFile != "/etc/w.key" {
		t.Errorf("store %s, master key %s", c.StoreName(), c.MasterKeyFile)
	}
}
