package config

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/weigate/weigate/internal/filemode"
	"github.com/weigate/weigate/wechat"
)

// This file reads secrets. A secret comes from the value of a key, from its environment variable,
// or from a file. The path of the file is in a second key with _file at the end: the key secret has
// the second key secret_file.

// maxSecretFile is the largest size of a secret file. A wrong path may name a huge file.
const maxSecretFile = 16 << 10

// secret is a secret and its place in the configuration, for error messages.
type secret struct {
	value wechat.Secret
	at    value
}

// secrets reads secrets from the key of v, or from the file that the second key (_file) names. It
// rejects more than limit secrets. If an environment variable sets one of the two keys, the value
// of the other key in the configuration file is ignored.
func (s *section) secrets(v value, limit int) []secret {
	name := v.path[strings.LastIndexByte(v.path, '.')+1:]
	if s.fromFile(name).isSecret() { // also if a variable has priority over it
		s.reader.hasSecrets = true
	}
	file := s.fromEnvOrFile(name + "_file")
	switch {
	case v.env != "" && file.env == "":
		file.node = nil // absent
	case file.env != "" && v.env == "":
		v.node = nil
	}
	if v.present() && file.present() {
		v.reject("only one of %s and %s_file is allowed", name, name)
		return nil
	}
	if file.present() {
		return file.secretFile(limit)
	}
	return v.secretValues(limit)
}

// isSecret reports whether v is present and secret. Only the key store can have a value that is not
// secret: an address without a password.
func (v value) isSecret() bool {
	if !v.present() || v.path != "store" {
		return v.present()
	}
	u, err := parseAddress(v.node.Value)
	if err != nil {
		return false
	}
	_, hasPassword := u.User.Password()
	return hasPassword || u.Query().Has("password")
}

// secretValues reads secrets from the value itself: one, or with limit > 1 a list. In an
// environment variable a space separates two secrets.
func (v value) secretValues(limit int) []secret {
	if !v.present() {
		return nil
	}
	if v.env != "" && limit > 1 {
		return v.checkSecrets(strings.Fields(v.node.Value), limit)
	}
	if v.node.Kind == yaml.SequenceNode && limit > 1 {
		return v.secretList(limit)
	}
	// YAML reads a secret of digits as a number. node.Value still has the text of the file.
	if v.node.Kind != yaml.ScalarNode || !slices.Contains([]string{"!!str", "!!int", "!!float"}, v.node.Tag) {
		v.reject("must be a string, not %s", typeName(v.node))
		return nil
	}
	return v.checkSecrets([]string{v.node.Value}, limit)
}

func (v value) secretList(limit int) (out []secret) {
	for _, item := range v.items() {
		out = append(out, item.secretValues(1)...)
	}
	if len(out) > limit {
		v.reject("at most %d values", limit)
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

// secretFile reads secrets from the file that v names: the whole content, or with limit > 1 one
// secret on each line.
func (v value) secretFile(limit int) []secret {
	name := v.nonEmpty("")
	if name == "" {
		return nil
	}
	if v.reader.missingCredential(name) {
		v.reject("%s", credentialAdvice(name))
		return nil
	}
	path := v.reader.secretPath(name)
	text, info, err := readSecretFile(path)
	wrongMode := errors.Is(err, filemode.ErrReadable) || errors.Is(err, filemode.ErrWritable)
	switch {
	case wrongMode && looksLikePath(name): // err ends with a command for the shell, which path completes
		v.reject("%s %s", err, filemode.Quote(path))
		return nil
	case err != nil && looksLikePath(name):
		v.reject("%s: %s", name, err)
		return nil
	case err != nil: // the "name" may be a secret in the wrong key
		v.reject("%s (a name that may be a secret is not shown)", err)
		return nil
	}
	v.warnForeign(path, info)
	text = strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
	values := []string{text}
	if limit > 1 {
		values = strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' })
	}
	if strings.TrimSpace(text) == "" {
		v.reject("empty file")
		return nil
	}
	v.reader.conf.SecretFiles = append(v.reader.conf.SecretFiles, v.reader.secretPath(name))
	return v.checkSecrets(values, limit)
}

// checkSecrets returns the values that are valid.
func (v value) checkSecrets(values []string, limit int) (out []secret) {
	if len(values) > limit {
		v.reject("at most %d values", limit)
	}
	for _, text := range values {
		switch {
		case text == "":
			v.reject("must not be empty")
		case strings.ContainsFunc(text, notPrintable):
			v.reject("must not contain spaces, line breaks or non-ASCII characters")
		case slices.ContainsFunc(out, func(s secret) bool { return string(s.value) == text }):
			v.reject("duplicate value")
		default:
			out = append(out, secret{value: wechat.Secret(text), at: v})
		}
	}
	return out
}

// pathLike matches paths such as /run/secrets/wechat, ./wechat and secrets/wechat.txt. Folders must
// be in lower case, so it matches hardly any base64 text that contains a slash.
var pathLike = regexp.MustCompile(`^(/|\.{1,2}/|[A-Za-z]:\\)?([a-z0-9_.-]*[/\\])*[A-Za-z0-9_-]*(\.[a-z]{1,8})?$`)

// looksLikePath reports whether a file name can be shown in a message: it is a path with a folder
// or an extension. Anything else may be a secret that someone has written by mistake in place of
// the file name: an AppSecret has no slash and no dot.
func looksLikePath(name string) bool {
	return pathLike.MatchString(name) && (strings.ContainsAny(name, `/\`) || filepath.Ext(name) != "")
}

// readSecretFile reads a file. Its errors do not contain the file name.
func readSecretFile(name string) (content string, info fs.FileInfo, err error) {
	info, err = os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil, errors.New("file does not exist")
	case err != nil:
		return "", nil, errors.New("cannot access the file: check its permissions, and those of its folder")
	case !info.Mode().IsRegular():
		return "", nil, errors.New("not a regular file")
	case info.Size() > maxSecretFile:
		return "", nil, errors.New("file is too large for a secret")
	}
	f, err := os.Open(name)
	if err != nil {
		return "", nil,
			errors.New("cannot read the file: its group must be the gateway's (Debian package: chgrp weigate, then chmod 640)")
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil { // of the file that was opened: name may be replaced meanwhile
		return "", nil, errors.New("cannot read the file")
	}
	const hasSecrets = true // so that Check also rejects a file that all users can read
	if err := filemode.Check(name, info, hasSecrets); err != nil {
		return "", nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxSecretFile))
	if err != nil {
		return "", nil, errors.New("cannot read the file")
	}
	return string(text), info, nil
}
