package config

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/weigate/weigate/wechat"
)

// maxSecretFile bounds what is read: a wrong path may name anything.
const maxSecretFile = 16 << 10

// modes tells whether the permission bits of a file mean something here.
const modes = runtime.GOOS != "windows"

// secrets reads a secret and the key with _file beside it, at most so many values. The environment stands in for both: a variable for either of the
// two leaves the file's own unread.
func (s section) secrets(key string, most int) []secret {
	direct, file := s.one(key), s.one(key+"_file")
	switch {
	case direct.over && !file.over:
		file.node = nil
	case file.over && !direct.over:
		direct.node = nil
	}
	if direct.given() && file.given() {
		direct.fault("%s and %s are both given: keep one", key, key+"_file")
		return nil
	}
	if file.given() {
		return file.secretFile(most)
	}
	return direct.secretValues(most)
}

// secret is one value and where it stands.
type secret struct {
	value wechat.Secret
	at    value
}

func (v value) secretValues(most int) []secret {
	if !v.given() {
		return nil
	}
	if v.over && most > 1 {
		return v.keep(strings.Fields(v.node.Value), most)
	}
	if v.node.Kind == yaml.SequenceNode && most > 1 {
		var out []secret
		for _, item := range v.items() {
			out = append(out, item.secretValues(1)...)
		}
		if len(out) > most {
			v.fault("has more than %d values", most)
		}
		values := map[wechat.Secret]bool{}
		for _, each := range out {
			if values[each.value] {
				each.at.fault("is in the list already")
			}
			values[each.value] = true
		}
		return out
	}
	// A secret of digits only looks like a number. Its text is kept as it stands, so nothing is lost.
	if v.node.Kind != yaml.ScalarNode || !slices.Contains([]string{"!!str", "!!int", "!!float"}, v.node.Tag) {
		v.fault("must be a text, and is %s", what(v.node))
		return nil
	}
	return v.keep([]string{v.node.Value}, most)
}

// secretFile reads the file that v names: one value on one line, or with most > 1 a value on each.
func (v value) secretFile(most int) []secret {
	name, ok := v.text()
	if !ok {
		return nil
	}
	if name == "" {
		v.fault("is empty: write the path of a file")
		return nil
	}
	text, err := readSecretFile(name)
	if err != nil {
		v.fault("%s", err)
		return nil
	}
	if exposed(name) {
		v.warn("others on this machine can read the file: chmod 600")
	}
	text = strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
	values := []string{text}
	if most > 1 {
		values = strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' })
	}
	if strings.TrimSpace(text) == "" {
		v.fault("the file is empty")
		return nil
	}
	return v.keep(values, most)
}

// keep checks the values themselves.
func (v value) keep(values []string, most int) []secret {
	if len(values) > most {
		v.fault("has more than %d values", most)
	}
	var out []secret
	for _, text := range values {
		switch {
		case text == "":
			v.fault("is empty")
		case strings.ContainsFunc(text, notASCII):
			v.fault("has a space, a line break or a character outside ASCII in it")
		case slices.ContainsFunc(out, func(s secret) bool { return string(s.value) == text }):
			v.fault("has the same value twice")
		default:
			out = append(out, secret{wechat.Secret(text), v})
		}
	}
	return out
}

func readSecretFile(name string) (string, error) {
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", errors.New("there is no such file")
	case err != nil:
		return "", errors.New("the file cannot be looked at: see its permissions, and those of its folder")
	case !info.Mode().IsRegular():
		return "", errors.New("that is no file but a folder or a device")
	case info.Size() > maxSecretFile:
		return "", errors.New("the file is too large for a secret")
	case modes && info.Mode().Perm()&0o002 != 0:
		return "", errors.New("everybody on this machine can change the file: chmod 600")
	}
	f, err := os.Open(name)
	if err != nil {
		return "", errors.New("the file cannot be read: see its permissions")
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSecretFile))
	if err != nil {
		return "", errors.New("the file cannot be read to its end")
	}
	return string(text), nil
}

// exposed tells whether a file is readable by more than its owner. Container platforms mount secrets that way below /run/secrets, where only the
// container sees them.
func exposed(name string) bool {
	if strings.HasPrefix(name, "/run/secrets/") || strings.HasPrefix(name, "/var/run/secrets/") {
		return false
	}
	info, err := os.Stat(name)
	return err == nil && modes && info.Mode().Perm()&0o004 != 0
}
