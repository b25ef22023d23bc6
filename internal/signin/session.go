package signin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/login"
	"github.com/weigate/weigate/wechat"
)

// carried is what rides with a sign-in through the browser's sealed cookie.
type carried struct {
	LoginRequestID string `json:"d,omitempty"`
	App            string `json:"a,omitempty"`
}

// kept is the part of a session that is ours alone: gateway.Session.Data.
type kept struct {
	LoginRequestID string         `json:"demand,omitempty"`
	Declined       bool           `json:"declined,omitempty"` // went on without nickname and picture; not asked again in this session
	Scopes         []wechat.Scope `json:"scopes,omitempty"`
}

func (k kept) marshal() []byte {
	b, err := json.Marshal(k)
	if err != nil {
		panic("signin: " + err.Error()) // strings and a bool: cannot happen
	}
	return b
}

// readKept reads what marshal wrote. A row that another version wrote differently is a session without our part: the worst that follows is one more
// question to the person.
func readKept(data []byte) (k kept) {
	if json.Unmarshal(data, &k) != nil {
		return kept{}
	}
	return k
}

// foundKey carries the way back for what the store finds: package login knows sessions of its own form only.
type foundKey struct{}

// Session tells who this browser is. ok is false when it is nobody; err is for a store that could not answer.
func (h *Handler) Session(r *http.Request) (s session.Browser, ok bool, err error) {
	var found session.Browser
	r = r.WithContext(context.WithValue(r.Context(), foundKey{}, &found))
	switch _, err := h.login.Session(r); {
	case errors.Is(err, login.ErrNoSession):
		return session.Browser{}, false, nil
	case err != nil:
		return session.Browser{}, false, err
	}
	return found, true, nil
}

// Features are told how long an address may be that they want back: package login must take it.
const _ = uint(login.MaxReturn - session.MaxReturn)

// demandKey carries the demand to what package login asks on the way.
type demandKey struct{}

func demandOf(ctx context.Context) session.LoginRequest {
	d, _ := ctx.Value(demandKey{}).(session.LoginRequest)
	return d
}

// Begin answers the request by sending the browser to a door, and afterwards to d.Return. In WeChat that is the official account; elsewhere one of scan
// and website, the person choosing where there are both. A browser for which there is no door gets a page that says where to go. An error means that
// nothing was written to w.
func (h *Handler) Begin(w http.ResponseWriter, r *http.Request, d session.LoginRequest) error {
	o := login.StartOptions{}
	if d.Consent {
		// Only this scope has a consent page that can be forced.
		o.Scope, o.ForcePopup = wechat.ScopeUserInfo, true
	}
	return h.begin(w, r, d, o)
}

// begin is Begin with what only the gateway's own links ask of the official account.
func (h *Handler) begin(w http.ResponseWriter, r *http.Request, d session.LoginRequest, o login.StartOptions) error {
	data, err := json.Marshal(carried{LoginRequestID: d.ID, App: d.App.ID})
	if err != nil || len(data) > login.MaxData || len(d.ReturnURL) > login.MaxReturn {
		return fmt.Errorf("signin: the demand of app %q does not fit into the cookie", d.App.ID)
	}
	o.Return, o.Data = d.ReturnURL, data
	if d.UILocales != "" {
		r = r.Clone(r.Context())
		// Package login chooses the language by this header alone.
		r.Header.Set("Accept-Language", lang.FromRequest(&http.Request{Header: r.Header, URL: &url.URL{RawQuery: url.Values{"ui_locales": {d.UILocales}}.Encode()}}))
	}
	r = r.WithContext(context.WithValue(r.Context(), demandKey{}, d))
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer") // a page sets its own
	e := h.available(r, d)
	switch method, several := e.choose(h.prefer.read(r, h.request(d.ReturnURL))); {
	case method == MethodWeChat:
		e.account.login.Start(w, r, o)
	case method == MethodWebsite:
		o.Scope, o.ForcePopup = "", false // WeChat's page asks everybody, and tells nickname and picture
		e.website.login.Start(w, r, o)
	case method == MethodScan:
		return h.cfg.Scan(w, r, d)
	case len(several) > 0:
		h.offer(w, r, d, several)
	default:
		h.nowhere(w, r, d, e)
	}
	return nil
}

// AskProfile sends the person to the page that asks for nickname and picture, if there is anything to ask: none are known, or they are old, the person
// has not said no in this session, and this browser can reach WeChat's consent page. It reports whether it answered the request. returnTo is where to
// come back to.
func (h *Handler) AskProfile(w http.ResponseWriter, r *http.Request, s session.Browser, returnTo string) bool {
	if s.Method != MethodWeChat || h.freshProfile(s) || readKept(s.Data).Declined || len(returnTo) > login.MaxReturn {
		return false
	}
	redirectSeeOther(w, h.path+pathProfile+"?return="+url.QueryEscape(returnTo))
	return true
}

// freshProfile says whether nickname and picture need not be asked for.
func (h *Handler) freshProfile(s session.Browser) bool {
	return !s.User.ProfileAt.IsZero() && h.cfg.Now().Sub(s.User.ProfileAt) < h.cfg.ProfileMaxAge
}

// End signs this browser out and clears its cookies with headers on w; it writes no status and no body. Being signed out already is no error.
func (h *Handler) End(w http.ResponseWriter, r *http.Request) error { return h.login.SignOut(w, r) }

// see answers 303: the browser goes on by GET whatever it came by.
func redirectSeeOther(w http.ResponseWriter, address string) {
	w.Header().Set("Location", address)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(http.StatusSeeOther)
}
