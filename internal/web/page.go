package web

import (
	"html"
	"html/template"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/useragent"
)

// This file contains the data of pages. The packages that show a page fill it in.

// User is the data of a user that a page shows.
type User struct {
	Nickname string // "" = not known
	Picture  string // address; "" = none
}

// Form is a button that sends a form to an address of the gateway.
type Form struct {
	Action string
	Label  string            // one of the constants Label…
	Fields map[string]string // hidden fields
	Quiet  bool              // drawn as a secondary button
	Last   bool              // drawn as a link below all buttons, for an emergency
	Tick   bool              // the form has a box to tick, which is sent as agree=1, and a link to SiteTexts.PrivacyURL
	Missed bool              // with Tick: the user has sent the form without the tick; the page asks for the tick
}

// NameForm is the form for the name of a user. The browser sends the name in the field "name".
type NameForm struct {
	Action string
	Fields map[string]string // hidden fields
	Value  string            // what the user typed, or gave before
	// Problem is the key of the text that says why the name was rejected: ProblemNoName or
	// ProblemLongName. "" = not rejected.
	Problem string
	Given   bool   // the user has given a name: the page shows it instead of the form
	ForApps bool   // apps get the name; without it, administrators see it
	Change  string // with Given: address of the page on which the user changes the name
}

// Invitation is the data of the pages of an invitation.
type Invitation struct {
	Apps    string    // names of the apps that the user may use; "" = all apps
	For     string    // name of the user for whom it is; "" = the user who opens the link
	Expires time.Time // zero = not shown
	Code    *Code     // QR code with the link, for a page outside WeChat
}

// The problems of a name: keys of the catalogues.
const (
	ProblemNoName   = "name.missing"
	ProblemLongName = "name.long"
)

// UserID is the id of the signed-in user.
type UserID struct{ ID string }

// Method is a sign-in method that a user may choose. Its texts are in the catalogues under
// method.NAME and method.NAME.text.
type Method struct {
	Name string // scan, website, message, follow
	Go   string // where its button leads
}

// Link is a secondary button that leads to an address.
type Link struct {
	Label string // one of the constants Label… for links
	Go    string // where the button leads
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
	Without       string // where the link "Continue without nickname and picture" leads
	Back          string // where the button back to the app leads
	Home          string // where the button to the home page leads, for users who cannot go back
	Forms         []Form
	Post          *AppForm // for FormPost
	Methods       []Method // to choose from
	Links         []Link
	UserID        *UserID
	ContinueAfter time.Duration // after this time, the page opens Go automatically; 0 = never
	Scan          *Scan         // on pages of sign-in by scan
	Name          *NameForm     // the form for the name of the user; nil = none
	Reason        string        // for AccessRefused: why the administrator refused, as typed; "" = not given
	State         string        // address from which wait.js gets the state of the user's access request; "" = none
	Contact       bool          // the page says whom to ask: SiteTexts.Contact
	Invitation    *Invitation   // on the pages of an invitation
	Secret        bool          // the address of the page is a secret, which no Referer header may contain
	Opens         string        // for Consent: the scheme of a native app, or the loopback address, to which it leads
	RequestID     string        // of the request that the page is about; "" = of this request
	Rejection     Rejection     // for the log line of a page with a status of 4xx
	AlreadyLogged bool          // the caller has written the log line of this request, so Show writes none
	reload        bool          // the main button opens the address of this page again; only if Go is empty

	// GoToApp and BackToApp are used instead of Go and Back for addresses of an app. These may have
	// the scheme of a native app (com.example.app:).
	GoToApp, BackToApp AppLink
}

// hasNextStep reports whether the page shows the user how to continue.
func (p *Page) hasNextStep() bool {
	return p.Go != "" || p.GoToApp != (AppLink{}) || p.Back != "" || p.BackToApp != (AppLink{}) || p.Home != "" ||
		p.Without != "" || p.Copy != "" || len(p.Forms) > 0 || len(p.Methods) > 0 || len(p.Links) > 0 || p.Post != nil ||
		p.Name != nil || p.Invitation != nil && p.Invitation.Code != nil ||
		p.Scan != nil && (p.Scan.Code != nil || p.Scan.Answer != nil)
}

// FormFirst reports whether a form has the primary button, not the main link. The template calls it.
func (v view) FormFirst() bool {
	primary := func(f Form) bool { return !f.Quiet && !f.Last }
	return v.Page.Name != nil && !v.Page.Name.Given || slices.ContainsFunc(v.Page.Forms, primary)
}

// addNextStep adds a button to a page that has none. After a failure that may be temporary, the
// button opens the same address again. Otherwise it leads to the home page.
func (s *Site) addNextStep(r *http.Request, p *Page) {
	if s.cfg.Home == "" || p.hasNextStep() {
		return
	}
	switch p.Kind {
	case Busy, Fault, TooMany:
		if r.Method == http.MethodGet {
			p.reload = true
			return
		}
		p.Home = s.cfg.Home
	case BadRequest, ForeignForm, NotFound, MethodNotAllowed: // the main button of these pages is "Back to home"
		p.Go = s.cfg.Home
	default:
		p.Home = s.cfg.Home
	}
}

// waitingRefresh is how often the page of a user who waits for approval reloads.
const waitingRefresh = 10 * time.Second

// UserOf returns the data of a user that pages show.
func UserOf(u gateway.User) *User { return &User{Nickname: u.Nickname, Picture: u.AvatarURL} }

// WaitingPage returns the page for a user who waits for an administrator's approval. It shows the
// user id, since the administrator needs the id. requestURL is the address of the app's request.
// The page opens requestURL at intervals: the app's request succeeds once the user is approved.
func WaitingPage(app gateway.App, u gateway.User, requestURL string) Page {
	return Page{
		Kind: Waiting, App: app.Name, User: UserOf(u), UserID: &UserID{ID: u.ID}, Contact: true,
		Go: requestURL, ContinueAfter: waitingRefresh,
	}
}

// ConfirmPage returns the page that asks a signed-in user to sign in again, since the app requires
// it. signInURL is the address that starts the sign-in.
func ConfirmPage(app gateway.App, u gateway.User, signInURL string) Page {
	return Page{Kind: ConfirmSignIn, App: app.Name, User: UserOf(u), Go: signInURL}
}

// AppLink is a link to an app. The zero value has no address.
//
// All other links of a page are strings. The template renders a string only with the scheme http or
// https, or as a relative address: a javascript: address would run code in the gateway's page. The
// redirect URI of a native app has a scheme of the app (com.example.app:/callback). [ToApp] checks
// the address. Therefore the template may render an AppLink with this scheme.
type AppLink struct {
	address string
	native  bool // address has the scheme of a native app
}

// nativeScheme matches the scheme of a native app: a reversed domain name with a dot (RFC 8252,
// section 7.1). The schemes javascript, data and vbscript run code in a browser. They have no dot,
// and do not match.
var nativeScheme = regexp.MustCompile(`^[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+$`)

// ToApp returns a link to an address of an app. An address with the scheme http or https is always
// allowed. An address with the scheme of a native app must be one of the app's registered redirect
// URIs, to which query parameters may have been added. For other addresses ToApp returns the zero
// AppLink.
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

// href returns the attribute href with an address, byte for byte: package html/template would
// percent-encode parentheses and apostrophes, which deep links of dashboards contain
// (elastic/kibana#8359). address is a string or an AppLink. A string with a scheme other than http
// and https could run a script or open another program: its attribute is href="#". An AppLink of a
// native app keeps its scheme, because ToApp has checked it.
func href(address any) template.HTMLAttr {
	text, checked := "", false
	switch a := address.(type) {
	case string:
		text = a
	case AppLink:
		text, checked = a.address, a.native
	}
	scheme, _, found := strings.Cut(text, ":")
	relative := !found || strings.Contains(scheme, "/")
	if !checked && !relative && !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https") {
		text = "#"
	}
	return template.HTMLAttr(`href="` + html.EscapeString(text) + `"`)
}

// Href returns the attribute href with the address, for templates of other packages.
func (l AppLink) Href() template.HTMLAttr { return href(l) }

// Scan is the data of the pages of sign-in by scan: the desktop shows a QR code, and the user
// confirms on the phone. The embedded script (scan.js) runs on these pages and waits for a change
// of the state. Without JavaScript the pages reload at intervals.
type Scan struct {
	State       string        // the state of the sign-in that the page shows; "" = nothing to wait for
	Self        string        // address of the page itself
	Poll        string        // address of the long poll that responds when the state changes
	Renew       string        // where the script sends a form to renew the QR code; "" = only by a button
	ReloadEvery time.Duration // how often the page reloads without JavaScript; 0 = never

	Code   *Code
	Image  string // address of the QR code as a picture, to be saved
	Phone  string // where a simulated phone opens the QR code or the chat; "" = the phones are real
	Number string // the two digits that the desktop shows, for the user to type on the phone

	Opened string // where the script of the phone's page reports that a user sees the request; "" = no report
	Ticket string // with Opened: id of the ticket (the stored state of one QR code), for the form

	Facts  *Facts      // about the desktop, on a page of the phone
	Answer *NumberForm // on a page of the phone

	CopyNumber bool      // Number is to be sent to the account: the page has a button that copies it
	OpenWeChat bool      // the page is on a phone outside WeChat: it has a link that opens WeChat
	Account    *Account  // the official account to which the number is sent
	CodeHint   string    // what to do with the account's QR code: HintScan, HintSave, HintPress; "" = no line
	CodeForm   *CodeForm // the field for the confirmation code that the account answers
}

// Account is an official account, as users find it in WeChat.
type Account struct {
	Name string
	ID   string // 微信号; "" = not shown
}

// CodeForm is the form for the confirmation code. The browser sends it in the field "code".
type CodeForm struct {
	Action  string
	Problem string // why the code that was sent is not used: ProblemCodeEarly, ProblemCodeMalformed; "" = nothing
}

// Values of Scan.CodeHint: keys of the catalogues.
const (
	HintScan  = "chat.hint.scan"  // on a desktop
	HintSave  = "chat.hint.save"  // on a phone: save the picture, and scan it from the album
	HintPress = "chat.hint.press" // in WeChat: press the picture for a moment
)

// Problems of CodeForm: keys of the catalogues.
const (
	ProblemCodeEarly     = "chat.code.early"     // the account has not answered yet
	ProblemCodeMalformed = "chat.code.malformed" // not four digits
)

// NumberForm is the form on the phone for the number that the desktop shows. The browser sends the
// number in the field "number".
type NumberForm struct {
	Action    string
	Fields    map[string]string // hidden fields
	Malformed bool              // the user has sent something else than two digits; the page asks again
}

// Seconds returns ReloadEvery in seconds. The template calls it.
func (s *Scan) Seconds() int { return int(s.ReloadEvery / time.Second) }

// Code is a QR code to draw: an SVG path in a square of Size units. A QR code is dark on white,
// also on dark pages: QR code readers require this.
type Code struct {
	Size int // width and height, with the margin
	Path string
	Link string // the content of the QR code
}

// Network is whether the desktop and the phone are on the same network.
type Network string

// The values of Network.
const (
	NetworkUnknown Network = ""
	NetworkSame    Network = "same"
	NetworkOther   Network = "other" // they are on different networks
)

// Facts are the facts about the desktop that a phone shows. If App or Browser is "", the phone
// shows a general word.
type Facts struct {
	App      string
	Browser  string
	MaskedIP string // IP address of the desktop, without its last part
	Network  Network
	Ago      time.Duration // how long ago the sign-in started
}

// Fact is a line of facts on the page.
type Fact struct{ Name, Value string }

// Facts returns the lines of Scan.Facts, in the language of the page. The template calls it.
func (v view) Facts() ([]Fact, error) {
	facts := v.Scan.Facts
	app, browser := facts.App, useragent.Localize(facts.Browser, v.Lang)
	network := ""
	var err error
	if app == "" {
		if app, err = v.Word("app"); err != nil {
			return nil, err
		}
	}
	if browser == "" {
		if browser, err = v.Word("scan.browser.unknown"); err != nil {
			return nil, err
		}
	}
	if facts.Network != NetworkUnknown {
		if network, err = v.Word("scan.network." + string(facts.Network)); err != nil {
			return nil, err
		}
	}
	ago, err := v.ago(facts.Ago)
	if err != nil {
		return nil, err
	}
	var lines []Fact
	for _, fact := range []struct{ key, value string }{
		{"scan.app", app},
		{"scan.browser", browser},
		{"scan.ip", facts.MaskedIP},
		{"scan.network", network},
		{"scan.ago", ago},
	} {
		if fact.value == "" {
			continue
		}
		name, err := v.Word(fact.key)
		if err != nil {
			return nil, err
		}
		lines = append(lines, Fact{Name: name, Value: fact.value})
	}
	return lines, nil
}

// ago returns words for a time in the past, such as "2 minutes ago".
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
