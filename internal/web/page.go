package web

import (
	"html/template"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// This file contains the data of pages, which the features fill in.

// User is the data of a user that a page shows.
type User struct {
	Nickname string // "" = not known
	Picture  string // "" = none
}

// Form is a button that sends a form to an address of the gateway.
type Form struct {
	Action string
	Label  string            // one of the constants Label…
	Fields map[string]string // hidden fields
	Quiet  bool              // drawn as a secondary button
	Tick   bool              // the form has a box to tick, beside a link to Names.PrivacyURL; a tick is sent as agree=1
	Missed bool              // with Tick: the user sent the form without the tick, so the page asks for it
}

// UserID is the id of the signed-in user, with the user's sessions.
type UserID struct {
	ID       string
	Sessions []Session
}

// Session is one signed-in browser of a user.
type Session struct {
	Current     bool // it is this browser
	Since, Seen time.Time
}

// Method is a sign-in method that a user may choose. Its texts are under method.NAME and
// method.NAME.text.
type Method struct {
	Name string // scan, website
	Go   string
}

// Link is a secondary button that leads to an address.
type Link struct {
	Label string // LabelUpdateProfile, LabelByWebsite, LabelOtherMethod
	Go    string
}

// Page is the data of a page. Only Kind is required; a button without an address is omitted.
type Page struct {
	Kind          Kind
	Status        int    // HTTP status; 0 = the status of the kind
	Lang          string // language; "" = from the request
	App           string // name of the app that the page is about
	User          *User
	Copy          string // a link to copy
	Go            string // where the main button leads
	Without       string // where "Continue without" leads, when it is a link
	Back          string // where the button back to the app leads
	Home          string // the home page, for users who cannot go back
	Forms         []Form
	Methods       []Method // to choose from
	Links         []Link
	UserID        *UserID
	ContinueAfter time.Duration // with Go: the page continues there automatically after this time
	Scan          *Scan         // of the pages of sign-in by scan

	// GoToApp and BackToApp replace Go and Back if the address belongs to an app and may have the
	// scheme of a native app.
	GoToApp, BackToApp AppLink
}

// waitingRefresh is how often the page of a user who waits for approval reloads.
const waitingRefresh = 10 * time.Second

// UserOf returns the data of a user that pages show.
func UserOf(u gateway.User) *User { return &User{Nickname: u.Nickname, Picture: u.AvatarURL} }

// WaitingPage returns the page for a user who waits for an administrator's approval. It shows the
// user id, which the administrator needs. At intervals it loads requestURL, the address of the
// app's request, which admits the user once approved.
func WaitingPage(app gateway.App, u gateway.User, requestURL string) Page {
	return Page{
		Kind: Waiting, App: app.Name, User: UserOf(u), UserID: &UserID{ID: u.ID},
		Go: requestURL, ContinueAfter: waitingRefresh,
	}
}

// ConfirmPage returns the page that asks a signed-in user whether to sign in again, since the app
// requires it.
func ConfirmPage(app gateway.App, u gateway.User, proceed string) Page {
	return Page{Kind: ConfirmSignIn, App: app.Name, User: UserOf(u), Go: proceed}
}

// AppLink is a link to an app. The zero value has no address.
//
// The other links of pages are strings, and the template renders only http, https and relative
// addresses: an address with another scheme could be javascript:, which would run in the gateway's
// page. The redirect URI of a native app needs another scheme (com.example.app:/callback), so
// [ToApp] checks it first. Only ToApp returns AppLinks with an address.
type AppLink struct {
	address string
	native  bool // address has the scheme of a native app
}

// nativeScheme matches the scheme of a native app, a reversed domain name (RFC 8252, section 7.1).
// Schemes that run code in a browser (javascript, data, vbscript) have no dot, and do not match.
var nativeScheme = regexp.MustCompile(`^[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+$`)

// ToApp returns a link to an address of an app. registered are the redirect URIs that the app has
// registered. For the scheme of a native app, the address must be one of them, to which query
// parameters may have been added. An address that is not allowed gives the zero AppLink.
func ToApp(address string, registered []string) AppLink {
	u, err := url.Parse(address)
	if err != nil || address == "" {
		return AppLink{}
	}
	if u.Scheme == "http" || u.Scheme == "https" {
		return AppLink{address: address}
	}
	if !nativeScheme.MatchString(u.Scheme) {
		return AppLink{}
	}
	for _, uri := range registered {
		if hasOnlyParametersAdded(address, uri) {
			return AppLink{address: address, native: true}
		}
	}
	return AppLink{}
}

// hasOnlyParametersAdded reports whether address equals uri, or uri with query parameters added.
func hasOnlyParametersAdded(address, uri string) bool {
	rest, found := strings.CutPrefix(address, uri)
	switch {
	case !found || uri == "":
		return false
	case rest == "" || rest[0] == '?':
		return true
	case strings.HasSuffix(uri, "?"):
		return true
	}
	return strings.Contains(uri, "?") && rest[0] == '&'
}

// href returns the value of the attribute href. Package html/template replaces a string with
// another scheme than http or https, but not a template.URL, which ToApp has checked.
func (l AppLink) href() any {
	if l.native {
		return template.URL(l.address)
	}
	return l.address
}

// Scan is the data of the pages of sign-in by scan. These pages run the embedded script, which
// waits for the phone; without JavaScript they reload at intervals.
type Scan struct {
	State       string        // the ticket's state that the page shows; "" = nothing to wait for
	Self        string        // address of the page itself
	Poll        string        // long poll that responds when the state changes
	Renew       string        // address to which the page posts to renew the code automatically; "" = only by a button
	ReloadEvery time.Duration // how often the page reloads without JavaScript; 0 = never

	Code   *Code
	Image  string // address of the code as a picture, to be saved
	Phone  string // where a simulated phone opens the code; "" = the phones are real
	Number string // the desktop's two digits

	Facts   *Facts
	Choices []string          // the numbers that the phone is asked to choose from
	Action  string            // where a choice is sent
	Fields  map[string]string // sent with it
}

// Seconds returns ReloadEvery for the page.
func (s *Scan) Seconds() int { return int(s.ReloadEvery / time.Second) }

// Code is a QR code to draw: one path in a square of Size units, always dark on white, since
// readers require it.
type Code struct {
	Size int
	Path string
	Link string // the link in it
}

// Network is whether the desktop and the phone are on the same network.
type Network string

// The values of Network. The zero value is not known.
const (
	NetworkUnknown Network = ""
	NetworkSame    Network = "same"
	NetworkOther   Network = "other" // they are on different networks
)

// Facts are the facts about the desktop that a phone shows. Unknown facts are omitted, except the
// browser.
type Facts struct {
	App      string
	Browser  string
	MaskedIP string // IP address of the desktop, without its last part
	Network  Network
	Ago      time.Duration // since the sign-in started
}

// Fact is a line of facts on the page.
type Fact struct{ Name, Value string }

// Facts returns the lines of Scan.Facts, in the language of the page. The template calls it.
func (v view) Facts() (out []Fact, err error) {
	f := v.Scan.Facts
	add := func(name, value string, err error) error {
		if err != nil || value == "" {
			return err
		}
		label, err := v.Word(name)
		out = append(out, Fact{label, value})
		return err
	}
	app, browser := f.App, f.Browser
	if app == "" {
		app, err = v.Word("app")
	}
	if browser == "" && err == nil {
		browser, err = v.Word("scan.browser.unknown")
	}
	if err = add("scan.app", app, err); err == nil {
		err = add("scan.browser", browser, nil)
	}
	if err == nil {
		err = add("scan.ip", f.MaskedIP, nil)
	}
	network := ""
	if err == nil && f.Network != NetworkUnknown {
		network, err = v.Word("scan.network." + string(f.Network))
	}
	if err == nil {
		err = add("scan.network", network, nil)
	}
	if err == nil {
		ago, wordErr := v.ago(f.Ago)
		err = add("scan.ago", ago, wordErr)
	}
	return out, err
}

// ago returns how long ago something was, in words.
func (v view) ago(d time.Duration) (string, error) {
	key, n := "scan.ago.seconds", int(d/time.Second)
	switch {
	case d < 5*time.Second:
		key = "scan.ago.now"
	case d >= 2*time.Hour:
		key, n = "scan.ago.hours", int(d/time.Hour)
	case d >= 2*time.Minute:
		key, n = "scan.ago.minutes", int(d/time.Minute)
	}
	return v.texts.Text(key, "n", n)
}

// Script returns the embedded script, whose hash is in the policy.
func (v view) Script() template.JS { return v.script }
