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

// maxSecretFile limits what is read, because a wrong path may name any file.
const maxSecretFile = 16 << 10

// hasModes reports whether permission bits of files have a meaning on this operating system.
const hasModes = runtime.GOOS != "windows"

// secret is one value and its place.
type secret struct {
	value wechat.Secret
	at    value
}

// secrets reads at most so many secrets from v, or from the file named by the key of v with _file
// after it. A variable for one of the two keys replaces both keys of the file.
func (s *section) secrets(v value, most int) []secret {
	name := v.path[strings.LastIndexByte(v.path, '.')+1:]
	file := s.scalar(name + "_file")
	switch {
	case v.env != "" && file.env == "":
		file.node = nil
	case file.env != "" && v.env == "":
		v.node = nil
	}
	if v.present() && file.present() {
		v.reject("only one of %s and %s_file is allowed", name, name)
		return nil
	}
	if file.present() {
		return file.secretFile(most)
	}
	return v.secretValues(most)
}

func (v value) secretValues(most int) []secret {
	if !v.present() {
		return nil
	}
	if v.env != "" && most > 1 {
		return v.checkSecrets(strings.Fields(v.node.Value), most)
	}
	if v.node.Kind == yaml.SequenceNode && most > 1 {
		return v.secretList(most)
	}
	// A secret of digits only is a number in YAML. Its text is kept, so nothing is lost.
	if v.node.Kind != yaml.ScalarNode || !slices.Contains([]string{"!!str", "!!int", "!!float"}, v.node.Tag) {
		v.reject("must be a string, not %s", typeName(v.node))
		return nil
	}
	return v.checkSecrets([]string{v.node.Value}, most)
}

func (v value) secretList(most int) (out []secret) {
	for _, item := range v.items() {
		out = append(out, item.secretValues(1)...)
	}
	if len(out) > most {
		v.reject("at most %d values", most)
	}
	values := map[wechat.Secret]bool{}
	for _, each := range out {
		if values[each.value] {
			each.at.reject("duplicate value")
		}
		values[each.value] = true
	}
	return out
}

// secretFile reads a secret from the file that v names: one value, or with most > 1 one value a
// line.
func (v value) secretFile(most int) []secret {
	name := v.nonEmpty("")
	if name == "" {
		return nil
	}
	text, err := readSecretFile(name)
	if err != nil {
		v.reject("%s", err)
		return nil
	}
	if isReadableByAll(name) {
		v.warn("file is readable by other users: chmod 600")
	}
	text = strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
	values := []string{text}
	if most > 1 {
		values = strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' })
	}
	if strings.TrimSpace(text) == "" {
		v.reject("empty file")
		return nil
	}
	return v.checkSecrets(values, most)
}

// checkSecrets returns the values that are valid.
func (v value) checkSecrets(values []string, most int) (out []secret) {
	if len(values) > most {
		v.reject("at most %d values", most)
	}
	for _, text := range values {
		switch {
		case text == "":
			v.reject("must not be empty")
		case strings.ContainsFunc(text, notASCII):
			v.reject("must not contain spaces, line breaks or non-ASCII characters")
		case slices.ContainsFunc(out, func(s secret) bool { return string(s.value) == text }):
			v.reject("duplicate value")
		default:
			out = append(out, secret{value: wechat.Secret(text), at: v})
		}
	}
	return out
}

// readSecretFile reads a file. Its errors do not name the file, which may be a secret in the wrong
// place.
func readSecretFile(name string) (string, error) {
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", errors.New("file does not exist")
	case err != nil:
		return "", errors.New("cannot access the file: check its permissions, and those of its folder")
	case !info.Mode().IsRegular():
		return "", errors.New("not a regular file")
	case info.Size() > maxSecretFile:
		return "", errors.New("file is too large for a secret")
	case hasModes && info.Mode().Perm()&0o002 != 0:
		return "", errors.New("file is writable by all users: chmod 600")
	}
	f, err := os.Open(name)
	if err != nil {
		return "", errors.New("cannot open the file: check its permissions")
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSecretFile))
	if err != nil {
		return "", errors.New("cannot read the file")
	}
	return string(text), nil
}

// isReadableByAll reports whether every user can read a file. Container platforms mount secrets
// that way below /run/secrets, which only the container sees.
func isReadableByAll(name string) bool {
	if strings.HasPrefix(name, "/run/secrets/") || strings.HasPrefix(name, "/var/run/secrets/") {
		return false
	}
	info, err := os.Stat(name)
	return err == nil && hasModes && info.Mode().Perm()&0o004 != 0
}
