package leaktest_test

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/leaktest"
)

func TestFind(t *testing.T) {
	t.Parallel()
	code := "0A" + leaktest.Mark + "zz"
	mixed := strings.ToUpper(hex.EncodeToString([]byte(code[:8]))) + hex.EncodeToString([]byte(code[8:]))
	inAddress := "?x=" + url.QueryEscape(base64.StdEncoding.EncodeToString([]byte("\xff\xff\xff"+code+"\xff")))
	escape := func(text string) (out string) {
		for _, b := range []byte(text) {
			out += fmt.Sprintf("%%%02x", b)
		}
		return out
	}
	cases := map[string]struct {
		text string
		hit  bool
	}{
		"nothing":                      {"a plain line, code=0A1B2C", false},
		"half of the secret":           {leaktest.Secret[:len(leaktest.Secret)/2], false},
		"the secret":                   {"secret=" + leaktest.Secret + "&x=1", true},
		"a code":                       {"/callback?code=" + code, true},
		"a code inside an address":     {"?return=" + url.QueryEscape("https://a.test/?code="+code), true},
		"every byte escaped":           {escape(leaktest.Secret), true},
		"escaped twice":                {url.QueryEscape(escape(leaktest.Secret)), true},
		"base64, first place":          {base64.StdEncoding.EncodeToString([]byte(leaktest.Secret)), true},
		"base64, second place":         {base64.URLEncoding.EncodeToString([]byte("?" + leaktest.Secret + "?")), true},
		"base64, third place":          {base64.RawURLEncoding.EncodeToString([]byte("ab" + leaktest.Secret)), true},
		"a code in base64":             {base64.StdEncoding.EncodeToString([]byte(`{"code":"` + code + `"}`)), true},
		"a code in base64, in address": {inAddress, true},
		"hexadecimal":                  {hex.EncodeToString([]byte("x" + code)), true},
		"hexadecimal, upper case":      {strings.ToUpper(hex.EncodeToString([]byte(code))), true},
		"hexadecimal, mixed case":      {mixed, true},
		"a stray per cent sign":        {"100% " + code, true},
		"every byte escaped twice":     {escape(escape(leaktest.Mark)), true},
		"every byte escaped, 3 times":  {"x" + escape(escape(escape(leaktest.Mark))) + "x", true},
		"escaped digits of an escape":  {"%5%30" + leaktest.Secret[1:], true},
		"an escape at the end":         {leaktest.Secret[:len(leaktest.Secret)-1] + "%62", true},
		"half an escape at the end":    {leaktest.Secret[:len(leaktest.Secret)-1] + "%6", false},
		"escaped hexadecimal":          {escape(hex.EncodeToString([]byte(code))), true},
		"escapes of something else":    {strings.Repeat("%2525", 20) + leaktest.Mark[1:], false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := leaktest.Find([]byte(c.text)); (got != "") != c.hit {
				t.Errorf("Find(%q) = %q, want a hit: %v", c.text, got, c.hit)
			}
		})
	}
}

// A form is found wherever it begins and ends, so no shift of the search is too long.
func TestFindAtEveryPlace(t *testing.T) {
	t.Parallel()
	for _, form := range []string{
		leaktest.Secret,
		leaktest.Mark,
		hex.EncodeToString([]byte(leaktest.Secret)),
		strings.ToUpper(hex.EncodeToString([]byte(leaktest.Mark))),
		base64.StdEncoding.EncodeToString([]byte(leaktest.Mark)),
		base64.StdEncoding.EncodeToString([]byte("a" + leaktest.Mark)),
	} {
		// The neighbours repeat parts of the form, which tempts the search to move too far.
		for before := range 2 * len(form) {
			for after := range 3 {
				text := strings.Repeat(form[1:], 3)[:before] + form + form[:after]
				if leaktest.Find([]byte(text)) == "" {
					t.Errorf("not found in %q", text)
				}
			}
		}
		if found := leaktest.Find([]byte(form[4:])); found != "" {
			t.Errorf("found %s in %q", found, form[4:])
		}
	}
}

// failures records failures instead of failing.
type failures struct {
	testing.TB
	text []string
}

func (f *failures) Helper()           {}
func (f *failures) Output() io.Writer { return io.Discard }
func (f *failures) Errorf(format string, args ...any) {
	f.text = append(f.text, fmt.Sprintf(format, args...))
}

func TestWatch(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		serve http.HandlerFunc
		hit   bool
	}{
		"clean": {func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello") }, false},
		"body in two writes": {func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, leaktest.Mark[:5])
			_ = http.NewResponseController(w).Flush()
			fmt.Fprint(w, leaktest.Mark[5:])
		}, true},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/x?code="+leaktest.Mark, http.StatusSeeOther)
		}, true},
		"cookie": {func(w http.ResponseWriter, r *http.Request) {
			http.SetCookie(w, &http.Cookie{Name: "s", Value: base64.RawURLEncoding.EncodeToString([]byte(leaktest.Secret))})
		}, true},
		"a panic after the write": {func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, leaktest.Secret)
			panic(http.ErrAbortHandler)
		}, true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &failures{}
			func() {
				defer func() { _ = recover() }()
				leaktest.Watch(f, c.serve).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
			}()
			if (len(f.text) > 0) != c.hit {
				t.Errorf("failures: %q", f.text)
			}
			for _, line := range f.text {
				if strings.Contains(line, leaktest.Secret) || strings.Contains(line, leaktest.Mark) {
					t.Errorf("the failure shows the value itself: %s", line)
				}
			}
		})
	}
}

func TestLogger(t *testing.T) {
	t.Parallel()
	f := &failures{}
	log := leaktest.Logger(f)
	log.Debug("clean", "n", 1)
	if len(f.text) != 0 {
		t.Fatalf("a clean line failed: %q", f.text)
	}
	log.Info("callback", "url", "/callback?code="+leaktest.Mark)
	if len(f.text) != 1 {
		t.Errorf("failures: %q", f.text)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	type hidden struct{ token string }
	cases := map[string]struct {
		value any
		hit   bool
	}{
		"clean":                    {errors.New("no answer"), false},
		"text of an error":         {errors.New("Get https://x/?secret=" + leaktest.Secret), true},
		"deep in an error":         {masking{fmt.Errorf("a: %w", errors.New(leaktest.Secret))}, true},
		"one of two joined errors": {masking{errors.Join(io.EOF, errors.New(leaktest.Mark))}, true},
		"an unexported field":      {hidden{leaktest.Mark}, true},
		"bytes":                    {[]byte(leaktest.Secret), true},
		"a map":                    {map[string]string{"code": leaktest.Mark}, true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &failures{}
			leaktest.Check(f, "the value", c.value)
			if (len(f.text) > 0) != c.hit {
				t.Errorf("failures: %q", f.text)
			}
		})
	}
}

// masking hides the text of an error but not the error.
type masking struct{ inner error }

func (m masking) Error() string  { return "hidden" }
func (m masking) Unwrap() error  { return m.inner }
func (m masking) String() string { return "hidden" }
func (m masking) GoString() string {
	return "hidden"
}
