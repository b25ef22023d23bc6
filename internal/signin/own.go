package signin

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/web"
	"github.com/weigate/weigate/login"
	"github.com/weigate/weigate/wechat"
)

// own shows the person's own page, or the way in.
func (h *Handler) own(w http.ResponseWriter, r *http.Request) {
	s, signedIn, err := h.Session(r)
	if err != nil {
		h.cfg.Site.Error(w, r, err)
		return
	}
	signIn := h.path + pathSignIn + "?return=" + url.QueryEscape(h.path+"/")
	w.Header().Add("Vary", "Cookie")
	if !signedIn {
		h.cfg.Site.Show(w, r, web.Page{Kind: web.Welcome, Go: signIn})
		return
	}
	live, err := h.cfg.Sessions.Live(r.Context(), s.AccountID, h.cfg.Now())
	if err != nil {
		h.cfg.Site.Error(w, r, err)
		return
	}
	account := &web.Account{ID: s.Account.ID}
	for _, l := range live {
		account.Sessions = append(account.Sessions, web.Session{Here: l.Hash == s.Hash, Since: l.CreatedAt, Seen: l.SeenAt})
	}
	h.cfg.Site.Show(w, r, web.Page{
		Kind: web.Own, Person: &web.Person{Nickname: s.Account.Nickname, Picture: s.Account.AvatarURL}, Account: account,
		Go: signIn + "&scope=profile",
		Forms: []web.Form{
			{Action: h.path + pathSignOut, Label: web.LabelSignOut, Quiet: true, Fields: map[string]string{"return": h.path + "/"}},
			{Action: h.path + pathEverywhere, Label: web.LabelSignOutAll, Quiet: true},
		},
	})
}

// signIn begins a sign-in by a link. When the person wants to go on to an app, the app's own request begins over: it alone knows what it demands.
func (h *Handler) signIn(w http.ResponseWriter, r *http.Request) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		h.cfg.Site.Fail(w, r, web.BadRequest)
		return
	}
	returnTo := strings.TrimPrefix(q.Get("return"), h.origin)
	if q.Get("scope") == "profile" {
		s, signedIn, err := h.Session(r)
		switch {
		case err != nil:
			h.cfg.Site.Error(w, r, err)
			return
		case signedIn:
			h.beginProfile(w, r, s, returnTo)
			return
		}
	}
	if address, ofApp := h.cfg.Again(returnTo); ofApp {
		see(w, address)
		return
	}
	h.login.ServeHTTP(w, r)
}

// beginProfile asks WeChat for nickname and picture, with the person's consent. It is an exchange like any other, so the session that comes of it
// answers the demand that the present one answered.
func (h *Handler) beginProfile(w http.ResponseWriter, r *http.Request, s Session, returnTo string) {
	o := login.StartOptions{Return: returnTo, Scope: wechat.ScopeUserInfo}
	if s.Demand != "" {
		var err error
		if o.Data, err = json.Marshal(carried{Demand: s.Demand}); err != nil {
			h.cfg.Site.Error(w, r, err)
			return
		}
	}
	h.through(s.Entry).Start(w, r, o)
}

// goOnWithout remembers that the person would rather not show nickname and picture. It answers with a page that goes on, not with a redirect: the
// address to go to sends the browser on to the app, and browsers stop a form that ends on another origin than the page's policy names.
func (h *Handler) goOnWithout(w http.ResponseWriter, r *http.Request) {
	returnTo, ok := h.form(w, r)
	if !ok {
		return
	}
	s, signedIn, err := h.Session(r)
	if err == nil && signedIn {
		err = h.cfg.Sessions.Sessions.UpdateSession(r.Context(), s.Hash, h.cfg.Now(), func(s *gateway.Session) error {
			ours := readKept(s.Data)
			ours.Declined = true
			s.Data = ours.marshal()
			return nil
		})
	}
	if err != nil && !errors.Is(err, gateway.ErrNotFound) {
		h.cfg.Site.Error(w, r, err)
		return
	}
	// Without a session the app's request finds that out, and signs the person in anew.
	h.cfg.Site.Show(w, r, web.Page{Kind: web.GoingOn, Go: returnTo, Every: 100 * time.Millisecond})
}

// form reads the form of one of our pages. Its return address is ours or none: this page leads to it without asking anybody else.
func (h *Handler) form(w http.ResponseWriter, r *http.Request) (returnTo string, ok bool) {
	r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
	if err := r.ParseForm(); err != nil {
		h.cfg.Site.Fail(w, r, web.BadRequest)
		return "", false
	}
	returnTo = strings.TrimPrefix(r.PostForm.Get("return"), h.origin)
	if !h.isOurs(returnTo) {
		h.cfg.Site.Fail(w, r, web.BadReturn)
		return "", false
	}
	return returnTo, true
}

// isOurs says whether an address is a path of the gateway, in the plain spelling that every browser reads alike.
func (h *Handler) isOurs(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.IsAbs() || u.Host != "" || u.Opaque != "" || strings.HasPrefix(address, "//") || len(address) > login.MaxReturn {
		return false
	}
	for _, c := range []byte(address) {
		if c <= ' ' || c >= 0x7f || c == '\\' || c == '"' || c == '<' || c == '>' {
			return false
		}
	}
	return strings.HasPrefix(address, h.path+"/") && !strings.HasPrefix(address, h.path+"//") && !strings.Contains(u.Path+"/", "/../")
}

// endEverywhere ends every session of the account.
func (h *Handler) endEverywhere(w http.ResponseWriter, r *http.Request) {
	s, signedIn, err := h.Session(r)
	switch {
	case err != nil:
		h.cfg.Site.Error(w, r, err)
		return
	case !signedIn:
		h.cfg.Site.Show(w, r, web.Page{Kind: web.PleaseSignIn, Go: h.path + "/"})
		return
	}
	now := h.cfg.Now()
	// The person has pressed the button: what follows does not end because they close the page.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), 10*time.Second)
	defer cancel()
	_, err = h.cfg.Sessions.EndEverywhere(ctx, s.Account.ID, now)
	if err == nil {
		err = h.End(w, r)
	}
	if err != nil {
		h.cfg.Site.Error(w, r, err)
		return
	}
	h.note(ctx, gateway.Event{At: now, Kind: EventSignOutAll, AccountID: s.Account.ID, Entry: s.Entry, Door: s.Door, Outcome: "ok", RequestID: h.cfg.RequestID(ctx)})
	h.cfg.Site.Show(w, r, web.Page{Kind: web.EndedAll, Go: h.path + "/"})
}
