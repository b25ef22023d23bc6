package signin

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/session"
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
		h.cfg.Site.Show(w, r, web.Page{Kind: web.Welcome, Go: signIn + "&method=" + methodChoice})
		return
	}
	live, err := h.cfg.Sessions.Live(r.Context(), s.UserID, h.cfg.Now())
	if err != nil {
		h.cfg.Site.Error(w, r, err)
		return
	}
	user := &web.UserID{ID: s.User.ID}
	for _, l := range live {
		user.Sessions = append(user.Sessions, web.Session{Here: l.Hash == s.Hash, Since: l.CreatedAt, Seen: l.SeenAt})
	}
	page := web.Page{
		Kind: web.Own, User: &web.User{Nickname: s.User.Nickname, Picture: s.User.AvatarURL}, UserID: user,
		Forms: []web.Form{
			{Action: h.path + pathSignOut, Label: web.LabelSignOut, Quiet: true, Fields: map[string]string{"return": h.path + "/"}},
			{Action: h.path + pathEverywhere, Label: web.LabelSignOutAll, Quiet: true},
		},
	}
	switch {
	case s.Method != MethodWeChat: // this browser cannot reach WeChat's consent page
	case h.freshProfile(s):
		page.Links = []web.Link{{Label: web.LabelProfileAnew, Go: signIn + "&scope=profile"}}
	default:
		page.Go = signIn + "&scope=profile"
	}
	h.cfg.Site.Show(w, r, page)
}

// signIn begins a sign-in by a link. When the person wants to go on to an app, the app's own request begins over: it alone knows what it demands. The
// door that the link names is remembered for the request that follows; nothing else changes.
func (h *Handler) signIn(w http.ResponseWriter, r *http.Request) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		h.cfg.Site.Fail(w, r, web.BadRequest)
		return
	}
	returnTo, profile := strings.TrimPrefix(q.Get("return"), h.origin), false
	switch q.Get("scope") { // as package login reads it
	case "", string(wechat.ScopeBase):
	case "profile", string(wechat.ScopeUserInfo):
		profile = true
	default:
		h.cfg.Site.Fail(w, r, web.BadRequest)
		return
	}
	anew, ofApp := h.cfg.RestartURL(returnTo)
	if !ofApp {
		absolute, err := h.login.CheckReturn(returnTo)
		if err != nil {
			h.cfg.Logger.WarnContext(r.Context(), "sign-in: return address refused", "error", err, "request_id", h.cfg.RequestID(r.Context()))
			h.cfg.Site.Show(w, r, web.Page{Kind: web.BadReturn, Go: h.path + "/"})
			return
		}
		returnTo = strings.TrimPrefix(absolute, h.origin)
	}
	if profile {
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
	if q.Get("method") != "" {
		h.prefer.store(w, r, h.request(returnTo), q.Get("method"))
		if !ofApp {
			// The choice counts from the next request on.
			here := h.path + pathSignIn + "?return=" + url.QueryEscape(returnTo)
			if profile {
				here += "&scope=profile"
			}
			redirectSeeOther(w, here)
			return
		}
	}
	if ofApp {
		redirectSeeOther(w, anew)
		return
	}
	o := login.StartOptions{}
	if profile {
		o.Scope = wechat.ScopeUserInfo
	}
	if err := h.begin(w, r, session.LoginRequest{ReturnURL: returnTo, Profile: profile}, o); err != nil {
		h.cfg.Site.Error(w, r, err)
	}
}

// beginProfile asks WeChat for nickname and picture, with the person's consent, by the way that they came in. It is a sign-in like any other, so the
// session that comes of it answers the demand that the present one answered.
func (h *Handler) beginProfile(w http.ResponseWriter, r *http.Request, s session.Browser, returnTo string) {
	d := session.LoginRequest{ID: s.LoginRequestID, ReturnURL: returnTo, Connector: s.Connector, Reauthenticate: true, Profile: true}
	if _, found := h.connector(d.Connector); !found {
		d.Connector = "" // taken out of the configuration
	}
	if err := h.begin(w, r, d, login.StartOptions{Scope: wechat.ScopeUserInfo}); err != nil {
		h.cfg.Site.Error(w, r, err)
	}
}

// goOnWithout remembers that the person would rather not show nickname and picture. It answers with a page that goes on, not with a redirect: the
// address to go to sends the browser on to the app, and browsers stop a form that ends on another origin than the page's policy names.
func (h *Handler) declineProfile(w http.ResponseWriter, r *http.Request) {
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
	_, err = h.cfg.Sessions.EndEverywhere(ctx, s.User.ID, now)
	if err == nil {
		err = h.End(w, r)
	}
	if err != nil {
		h.cfg.Site.Error(w, r, err)
		return
	}
	h.recordEvent(ctx, gateway.Event{At: now, Kind: EventSignOutAll, UserID: s.User.ID, Connector: s.Connector, Method: s.Method, Outcome: "ok", RequestID: h.cfg.RequestID(ctx)})
	h.cfg.Site.Show(w, r, web.Page{Kind: web.EndedAll, Go: h.path + "/"})
}
