package session

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/weigate/weigate/internal/lang"
)

// PendingRequest is a shortened LoginRequest: what an app requires of a sign-in. A browser keeps it
// in a sealed cookie while its user confirms the sign-in on a phone or in a chat.
type PendingRequest struct {
	ID             string `json:"i,omitempty"` // random id of the login request
	Return         string `json:"r"`           // where the browser continues after the sign-in
	Restart        string `json:"s,omitempty"` // LoginRequest.RestartURL, shortened; see StartURL
	App            string `json:"a,omitempty"` // id of the app
	Connector      string `json:"e,omitempty"` // name of the connector that the sign-in must use; "" = any
	Reauthenticate bool   `json:"f,omitempty"` // the user must authenticate again, even with a session
	Consent        bool   `json:"c,omitempty"` // the user must see WeChat's consent page
	Profile        bool   `json:"p,omitempty"` // the app wants nickname and avatar
	Deletion       bool   `json:"x,omitempty"` // the user signs in to be deleted
	// WithoutAgreement and Tick are the fields of the LoginRequest.
	WithoutAgreement bool   `json:"w,omitempty"`
	Tick             *Tick  `json:"t,omitempty"`
	Cancel           string `json:"q,omitempty"` // LoginRequest.CancelURL, shortened; see CancelURL
	Lang             string `json:"l,omitempty"` // language of the pages, if the app chose one
}

// NewPendingRequest returns l in its short form. If the app named languages, Lang is the first of
// them that the pages have, or else the language of the browser that sent r. A request whose
// addresses are too long for a cookie is an error.
func NewPendingRequest(r *http.Request, l LoginRequest) (PendingRequest, error) {
	if len(l.ReturnURL) > MaxReturn || len(l.CancelURL) > MaxReturn {
		return PendingRequest{}, errors.New("session: the login request does not fit into the cookie")
	}
	p := PendingRequest{
		ID: l.ID, Return: l.ReturnURL, App: l.App.ID, Connector: l.Connector, Reauthenticate: l.Reauthenticate,
		Consent: l.Consent, Profile: l.Profile, Deletion: l.Deletion,
		WithoutAgreement: l.WithoutAgreement, Tick: l.Tick,
		Cancel: CompactRestart(l.ReturnURL, l.CancelURL), Restart: CompactRestart(l.ReturnURL, l.RestartURL),
	}
	if l.UILocales != "" {
		p.Lang = lang.FromHeader(r.Header, lang.English)
		if language, found := lang.FromLocales(l.UILocales); found {
			p.Lang = language
		}
	}
	return p, nil
}

// StartURL returns the address that starts the sign-in again: the address of the app's own request,
// or the path of a sign-in if no app required it. path is the path of the gateway's URL.
func (p PendingRequest) StartURL(path string) string {
	if restart := ExpandRestart(p.Return, p.Restart); restart != "" {
		return restart
	}
	return path + SignInPath + "?return=" + url.QueryEscape(p.Return)
}

// CancelURL returns where the browser continues after the user has cancelled; "" = nowhere.
func (p PendingRequest) CancelURL() string { return ExpandRestart(p.Return, p.Cancel) }

// Query returns the parameters of the pages of a sign-in in progress: the key of the cookie, and
// the language, if the app chose one.
func (p PendingRequest) Query(key string) string {
	if p.Lang == "" {
		return "?d=" + key
	}
	return "?d=" + key + "&ui_locales=" + p.Lang
}
