package config_test

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/wechat"
)

// Every secret can be in a file of its own, for systemd, Docker and Kubernetes. In other products, users found
// a secret without a file (pocket-id/pocket-id#799, #1452).
func TestEverySecretHasAFile(t *testing.T) {
	t.Parallel()
	keys := config.Keys()
	capital := regexp.MustCompile(`([a-z])([A-Z])`)
	found := 0
	var walk func(prefix string, of reflect.Type)
	walk = func(prefix string, of reflect.Type) {
		for i := range of.NumField() {
			field := of.Field(i)
			words := capital.ReplaceAllString(strings.Replace(field.Name, "AESKey", "AesKey", 1), "${1}_${2}")
			name := prefix + strings.Replace(strings.ToLower(words), "we_chat", "wechat", 1)
			kind := field.Type
			if kind.Kind() == reflect.Slice {
				kind = kind.Elem()
				if kind.Kind() == reflect.Struct {
					name += "[]"
				}
			}
			switch {
			case kind == reflect.TypeFor[wechat.Secret]():
				found++
				name = strings.TrimSuffix(name, "s") // secrets: a current one and its successor, below one key
				if !slices.Contains(keys, name+"_file") {
					t.Errorf("%s is a secret, and there is no key %s_file", name, name)
				}
			case kind.Kind() == reflect.Struct && kind.PkgPath() == reflect.TypeFor[config.Config]().PkgPath():
				walk(name+".", kind)
			}
		}
	}
	walk("", reflect.TypeFor[config.Config]())
	if found < 8 {
		t.Errorf("only %d secrets", found)
	}
}
