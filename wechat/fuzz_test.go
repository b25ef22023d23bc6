package wechat_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/wechat"
)

// go test runs the seeds; without seeds it would test nothing.
func TestFuzzTargetsHaveSeeds(t *testing.T) {
	t.Parallel()
	for _, target := range []string{"FuzzAnswer", "FuzzAuthorizeURL", "FuzzErrmsg"} {
		seeds, err := filepath.Glob(filepath.Join("testdata", "fuzz", target, "*"))
		if err != nil || len(seeds) == 0 {
			t.Errorf("testdata/fuzz/%s holds no seed: %v", target, err)
		}
	}
	folders, err := os.ReadDir(filepath.Join("testdata", "fuzz"))
	if err != nil || len(folders) != 3 {
		t.Errorf("there are %d folders of seeds for 3 targets: %v", len(folders), err)
	}
}

// hurried returns a client that always receives the same response and has no time for a second
// attempt.
func hurried(status int, body []byte) *wechat.Client {
	c := clientOf(func(r *http.Request) (*http.Response, error) { return respond(r, status, string(body)), nil })
	c.Timeout = 90 * time.Millisecond
	return c
}

// Every response leads to a complete result or to an *Error without secrets. The openid of a result
// is in the response.
func FuzzAnswer(f *testing.F) {
	f.Fuzz(func(t *testing.T, status uint16, body []byte) {
		if status < 100 || status > 999 {
			status = 200
		}
		c := hurried(int(status), body)
		token, err := c.Exchange(t.Context(), code)
		checkResult(t, token == nil, err)
		if token != nil {
			if status > 299 || !hasValue(body, "openid", token.OpenID) || token.ExpiresIn < 0 ||
				strings.ContainsFunc(token.OpenID+token.UnionID, notPrintable) {
				t.Errorf("status %d, %q became %+v", status, body, token)
			}
		}
		user, err := c.UserInfo(t.Context(), access, openID, "")
		checkResult(t, user == nil, err)
		if user != nil {
			text := user.Nickname + user.AvatarURL + user.Language + user.Province + user.City + user.Country
			if status > 299 || user.OpenID != openID || strings.ContainsFunc(text, unicode.IsControl) ||
				!utf8.ValidString(text) ||
				user.Sex < 0 ||
				user.Sex > 2 {
				t.Errorf("status %d, %q became %+v", status, body, user)
			}
		}
		if err := c.CheckToken(t.Context(), access, openID); err == nil && status > 299 {
			t.Errorf("a token is valid by status %d, %q", status, body)
		} else {
			checkResult(t, err != nil, err)
		}
	})
}

func notPrintable(r rune) bool { return r <= ' ' || r > '~' }

// hasValue reports whether the object in body has a member of that name, in any case, with that
// value.
func hasValue(body []byte, name, value string) bool {
	clean := bytes.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")))
	var members map[string]any
	if json.Unmarshal(clean, &members) != nil {
		return false
	}
	for k, v := range members {
		if strings.EqualFold(k, name) && v == value {
			return true
		}
	}
	return false
}

// checkResult fails the test unless there is either a result or an *Error without planted secrets.
func checkResult(t *testing.T, empty bool, err error) {
	t.Helper()
	var e *wechat.Error
	switch {
	case empty != (err != nil):
		t.Errorf("result missing: %v, error: %v", empty, err)
	case err != nil && !errors.As(err, &e):
		t.Errorf("the error is a %T: %v", err, err)
	case err != nil && leaktest.Find([]byte(err.Error()+e.Message+e.RequestID)) != "":
		t.Errorf("the error holds a planted value: %v", err)
	}
}

// Every URL parses back to its parameters; invalid parameters are one of the documented errors.
func FuzzAuthorizeURL(f *testing.F) {
	f.Fuzz(func(t *testing.T, redirectURI, state, scope, lang string, popup, snapshot bool) {
		c := &wechat.Client{AppID: appID}
		r := wechat.AuthorizeRequest{
			RedirectURI:   redirectURI,
			State:         state,
			Scope:         wechat.Scope(scope),
			ForcePopup:    popup,
			ForceSnapShot: snapshot,
		}
		got, err := c.AuthorizeURL(r)
		if err == nil {
			checkAddress(t, got, r)
		} else if got != "" || !isAny(err, wechat.ErrRedirectURI, wechat.ErrState, wechat.ErrScope) {
			t.Errorf("got %q, %v", got, err)
		}
		qr, err := c.QRConnectURL(wechat.QRConnectRequest{RedirectURI: redirectURI, State: state, Lang: lang})
		if err != nil {
			if qr != "" || !isAny(err, wechat.ErrRedirectURI, wechat.ErrState, wechat.ErrLang) {
				t.Errorf("got %q, %v", qr, err)
			}
			return
		}
		if lang != "" {
			qr = strings.Replace(qr, "&lang="+lang, "", 1)
		}
		checkAddress(t, qr, wechat.AuthorizeRequest{RedirectURI: redirectURI, State: state, Scope: wechat.ScopeLogin})
	})
}

func isAny(err error, targets ...error) bool {
	for _, target := range targets {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// Message and request id are parts of the errmsg, short and without control characters.
func FuzzErrmsg(f *testing.F) {
	f.Fuzz(func(t *testing.T, errmsg string) {
		body, err := json.Marshal(map[string]any{"errcode": 40029, "errmsg": errmsg})
		if err != nil {
			t.Skip()
		}
		_, err = hurried(200, body).Exchange(t.Context(), code)
		var e *wechat.Error
		if !errors.As(err, &e) || e.Code != 40029 {
			t.Fatalf("got %v", err)
		}
		came := strings.Map(func(r rune) rune {
			if unicode.IsControl(r) {
				return -1
			}
			return r
		}, strings.ToValidUTF8(errmsg, "\ufffd"))
		for _, part := range []string{e.Message, e.RequestID} {
			if len(part) > 256 || !utf8.ValidString(part) || strings.TrimSpace(part) != part {
				t.Errorf("%q gave %q", errmsg, part)
			}
			if !strings.Contains(errmsg, leaktest.Mark) && !strings.Contains(errmsg, leaktest.Secret) &&
				!strings.Contains(squeeze(came), squeeze(part)) {
				t.Errorf("%q gave %q, which was not in it", errmsg, part)
			}
		}
		checkResult(t, true, err)
	})
}

// squeeze replaces runs of U+FFFD with one: invalid bytes may become one U+FFFD or several.
func squeeze(s string) string {
	return strings.ReplaceAll(s, "\ufffd", "")
}
