package signin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
	"github.com/weigate/weigate/login"
	"github.com/weigate/weigate/wechat"
)

// Session is a signed-in browser, with its account.
type Session struct {
	gateway.Session
	Account gateway.Account
	Demand  string // ID of the Demand that the newest exchange with WeChat answered; "" = none
}

// Demand is what a feature wants of a sign-in.
type Demand struct {
	ID        string      // random; the session that answers the demand carries it
	Return    string      // where to come back to: a path of this origin, with its query, at most login.MaxReturn bytes
	App       gateway.App // who asks: ID, Name and Doors are read; the zero value is the gateway itself
	Entry     string      // through which entry the person has to come in; "" = any
	Fresh     bool        // an existing session, also the phone's behind a scanned code, is not enough: WeChat must vouch for the person anew
	Consent   bool        // WeChat's consent page must be shown even to a person whom WeChat remembers
	Profile   bool        // the app wants nickname and picture, and the person may be asked for them on the way
	Cancel    string      // where a person goes who would rather not: a path of this origin; "" = nowhere
	UILocales string      // language tags that the app wishes for; "" = none
}

// carried is what rides with a sign-in through the browser's sealed cookie.
type carried struct {
	Demand string `json:"d,omitempty"`
	App    string `json:"a,omitempty"`
}

// kept is the part of a session that is ours alone: gateway.Session.Data.
type kept struct {
	Demand   string         `json:"demand,omitempty"`
	Declined bool           `json:"declined,omitempty"` // went on without nickname and picture; not asked again in this session
	Scopes   []wechat.Scope `json:"scopes,omitempty"`
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
func (h *Handler) Session(r *http.Request) (s Session, ok bool, err error) {
	var found session.Found
	r = r.WithContext(context.WithValue(r.Context(), foundKey{}, &found))
	switch _, err := h.login.Session(r); {
	case errors.Is(err, login.ErrNoSession):
		return Session{}, false, nil
	case err != nil:
		return Session{}, false, err
	}
	return Session{Session: found.Session, Account: found.Account, Demand: readKept(found.Data).Demand}, true, nil
}

// demandKey carries the demand to what package login asks on the way.
type demandKey struct{}

func demandOf(ctx context.Context) Demand {
	d, _ := ctx.Value(demandKey{}).(Demand)
	return d
}

// Begin answers the request by sending the browser to a door, and afterwards to d.Return. In WeChat that is the official account; elsewhere one of scan
// and website, the person choosing where there are both. A browser for which there is no door gets a page that says where to go. An error means that
// nothing was written to w.
func (h *Handler) Begin(w http.ResponseWriter, r *http.Request, d Demand) error {
	o := login.StartOptions{}
	if d.Consent {
		// Only this scope has a consent page that can be forced.
		o.Scope, o.ForcePopup = wechat.ScopeUserInfo, true
	}
	return h.begin(w, r, d, o)
}

// begin is Begin with what only the gateway's own links ask of the official account.
func (h *Handler) begin(w http.ResponseWriter, r *http.Request, d Demand, o login.StartOptions) error {
	data, err := json.Marshal(carried{Demand: d.ID, App: d.App.ID})
	if err != nil || len(data) > login.MaxData || len(d.Return) > login.MaxReturn {
		return fmt.Errorf("signin: the demand of app %q does not fit into the cookie", d.App.ID)
	}
	o.Return, o.Data = d.Return, data
	if d.UILocales != "" {
		r = r.Clone(r.Context())
		// Package login chooses the language by this header alone.
		r.Header.Set("Accept-Language", web.Language(&http.Request{Header: r.Header, URL: &url.URL{RawQuery: url.Values{"ui_locales": {d.UILocales}}.Encode()}}))
	}
	r = r.WithContext(context.WithValue(r.Context(), demandKey{}, d))
	e := h.entrance(r, d)
	switch door, several := e.choose(h.prefer.read(r, h.request(d.Return))); {
	case door == DoorWeChat:
		e.account.login.Start(w, r, o)
	case door == DoorWebsite:
		o.Scope, o.ForcePopup = "", false // WeChat's page asks everybody, and tells nickname and picture
		e.website.login.Start(w, r, o)
	case door == DoorScan:
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
func (h *Handler) AskProfile(w http.ResponseWriter, r *http.Request, s Session, returnTo string) bool {
	if s.Door != DoorWeChat || h.freshProfile(s) || readKept(s.Data).Declined || len(returnTo) > login.MaxReturn {
		return false
	}
	see(w, h.path+pathProfile+"?return="+url.QueryEscape(returnTo))
	return true
}

// freshProfile says whether nickname and picture need not be asked for.
func (h *Handler) freshProfile(s Session) bool {
	return !s.Account.ProfileAt.IsZero() && h.cfg.Now().Sub(s.Account.ProfileAt) < h.cfg.ProfileMaxAge
}

// End signs this browser out and clears its cookies with headers on w; it writes no status and no body. Being signed out already is no error.
func (h *Handler) End(w http.ResponseWriter, r *http.Request) error { return h.login.SignOut(w, r) }

// see answers 303: the browser goes on by GET whatever it came by.
func see(w http.ResponseWriter, address string) {
	w.Header().Set("Location", address)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(http.StatusSeeOther)
}
