package config

import (
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
)

// This file reads the keys of an app for the portal: the page on which users find their apps.

// readHomeURL reads the address that the portal links to. Only a web address and the scheme of a
// native app are allowed: with a javascript: address, the operator of one app could run code in the
// portal of all users (casdoor/casdoor CVE-2026-5468, argoproj/argo-cd CVE-2026-45738).
func readHomeURL(_ *section, v value, a *App) {
	text := v.nonEmpty("") // an empty value is a problem; without the key, text is ""
	if text == "" {
		return
	}
	problems := checkHomeURL(text)
	v.rejectAll(problems)
	if len(problems) == 0 {
		a.HomeURL = text
	}
}

var errNotLink = errors.New(
	"must start with https://, http:// or a native app's scheme with a dot (com.example.app:)")

func checkHomeURL(text string) (errs []error) {
	u, err := parseAddress(text)
	if err != nil || u.Scheme == "" {
		return []error{errors.New("must be a complete URL such as https://wiki.example.com/")}
	}
	if u.User != nil {
		errs = append(errs, errUserInfo)
	}
	if strings.ContainsFunc(text, func(r rune) bool { return notPrintable(r) || r == '\\' }) {
		errs = append(errs, errors.New("must be percent-encoded: no spaces, backslashes or non-ASCII characters"))
	}
	switch {
	case u.Scheme == "https" || u.Scheme == "http":
		errs = append(errs, checkHost(u)...)
	case !validNativeScheme.MatchString(u.Scheme):
		errs = append(errs, errNotLink)
	}
	return errs
}

// maxPicture is the largest size of a picture. The portal loads one for each app.
const maxPicture = 64 << 10

// readIcon reads the icon of an app: the name of a built-in icon, or a file. An address is not
// allowed: the portal would then tell another host who opens it.
func readIcon(_ *section, v value, a *App) {
	text := v.nonEmpty("")
	switch {
	case text == "":
	case slices.Contains(gateway.AppIcons(), text):
		a.Icon = text
	case strings.Contains(text, "://"):
		v.reject("must be a file or a built-in icon, not an address: portals load no pictures from other hosts")
	case !looksLikePath(text):
		v.reject("must be a file with a picture, or one of %s%s", joinWithOr(gateway.AppIcons()),
			didYouMean(text, gateway.AppIcons()))
	default:
		picture, err := readPicture(v.reader.path(text))
		if err != nil {
			v.reject("%s: %s", text, err)
			return
		}
		a.Picture = picture
	}
}

// readPicture reads a picture of a type that cannot contain scripts. Its errors do not contain the
// file name.
func readPicture(name string) (gateway.Picture, error) {
	f, err := os.Open(name)
	if err != nil {
		return gateway.Picture{}, errors.New("cannot open the file")
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return gateway.Picture{}, errors.New("not a regular file")
	}
	data, err := io.ReadAll(io.LimitReader(f, maxPicture+1))
	switch {
	case err != nil:
		return gateway.Picture{}, errors.New("cannot read the file")
	case len(data) > maxPicture:
		return gateway.Picture{}, lang.Errorf("must not be larger than %d kB", maxPicture>>10)
	}
	picture := gateway.Picture{Type: http.DetectContentType(data), Data: data}
	if !slices.Contains([]string{"image/png", "image/jpeg", "image/webp"}, picture.Type) {
		return gateway.Picture{}, errors.New("must be a PNG, JPEG or WebP picture")
	}
	return picture, nil
}
