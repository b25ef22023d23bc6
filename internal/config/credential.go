package config

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/weigate/weigate/internal/lang"
)

// This file finds secrets that systemd passes to a service (LoadCredential and
// LoadCredentialEncrypted in the unit, systemd.exec(5)). systemd puts them into a folder that only
// the service can read, and sets CREDENTIALS_DIRECTORY.

// secretPath returns the path of a secret file. A bare name, such as wechat-secret, is a credential
// of systemd if there is one with this name. Other names are paths, relative to the folder of the
// configuration file.
func (r *reader) secretPath(name string) string {
	if dir := r.credentialFolder(name); dir != "" {
		if path := filepath.Join(dir, name); exists(path) {
			return path
		}
	}
	return r.path(name)
}

// missingCredential reports whether systemd passes credentials and name is a bare name, but there is
// neither a credential nor a file with this name.
func (r *reader) missingCredential(name string) bool {
	return r.credentialFolder(name) != "" && !exists(r.secretPath(name))
}

// credentialFolder returns the folder of the credentials if name can be one of them, and ""
// otherwise.
func (r *reader) credentialFolder(name string) string {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, `/\`) {
		return ""
	}
	return r.getenv("CREDENTIALS_DIRECTORY")
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// credentialName matches a name of words that may be shown in an error: wechat-secret, db_password.
// It does not match a secret that somebody has written in place of the file name by mistake.
var credentialName = regexp.MustCompile(`^[a-z]{1,16}([._-][a-z]{1,16}){0,3}$`)

// credentialAdvice returns what to add to the unit so that systemd passes a credential.
func credentialAdvice(name string) lang.Message {
	if !credentialName.MatchString(name) {
		return lang.Text("no such file, and no such credential: add LoadCredential=NAME:FILE to the unit " +
			"(a name that may be a secret is not shown)")
	}
	return lang.Text("no such file, and no credential %[1]s: add LoadCredential=%[1]s:FILE to the unit "+
		"(systemctl edit weigate)", name)
}
