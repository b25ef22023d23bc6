package scan

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
)

// Begin sends the browser to the page with the code, and afterwards to d.ReturnURL. The login
// request travels in the browser's own sealed cookie; a row is stored only when the browser comes
// back with it. An error means that nothing was written to w.
func (h *Handler) Begin(w http.ResponseWriter, r *http.Request, d session.LoginRequest) error {
	if len(d.ReturnURL) > session.MaxReturn || len(d.CancelURL) > session.MaxReturn {
		return errors.New("scan: the login request does not fit into the cookie")
	}
	s := &desktopFlow{
		Seed: newSeed(), Began: h.cfg.Now().Unix(), Phone: onPhone(r.UserAgent()), key: newKey(),
		LoginRequestID: pendingRequest{ID: d.ID, Return: d.ReturnURL, App: d.App.ID, Connector: d.Connector,
			Fresh: d.Reauthenticate, Consent: d.Consent, Profile: d.Profile, Cancel: d.CancelURL,
			Restart: session.CompactRestart(d.ReturnURL, d.RestartURL)},
	}
	if d.UILocales != "" {
		s.LoginRequestID.Lang = lang.FromHeader(r.Header, lang.English)
		if language, found := lang.FromLocales(d.UILocales); found {
			s.LoginRequestID.Lang = language
		}
	}
	if err := h.cookies.keepDesktop(w, r, s); err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	route.SeeOther(w, h.at(pathDesktop, s))
	return nil
}

// at returns an address for this sign-in.
func (h *Handler) at(path string, s *desktopFlow) string {
	q := "?d=" + s.key
	if s.LoginRequestID.Lang != "" {
		q += "&ui_locales=" + s.LoginRequestID.Lang
	}
	return h.path + path + q
}

func (h *Handler) sign(r *http.Request) *desktopFlow {
	return h.cookies.readDesktop(r, r.URL.Query().Get("d"))
}

// ticketOf returns the ticket of this round, and creates it at the first request.
func (h *Handler) ticketOf(w http.ResponseWriter, r *http.Request, s *desktopFlow) (gateway.Ticket, error) {
	sec, err := s.secrets()
	if err != nil {
		return gateway.Ticket{}, err
	}
	if s.Made == 0 {
		if err := h.make(w, r, s); err != nil {
			return gateway.Ticket{}, err
		}
	}
	return h.cfg.Tickets.Ticket(r.Context(), hashID(sec.id), h.cfg.Now())
}

// make stores the ticket of this round. A second request of this browser at the same moment makes
// the same one, so a ticket that exists is not an error.
func (h *Handler) make(w http.ResponseWriter, r *http.Request, s *desktopFlow) error {
	now := h.cfg.Now()
	t, err := h.newTicket(r, s, now)
	if err != nil {
		return err
	}
	err = h.cfg.Tickets.PutTicket(r.Context(), t, now, h.cfg.MaxTickets)
	if err != nil && !errors.Is(err, gateway.ErrConflict) {
		return err
	}
	if err == nil && s.Round == 0 {
		h.observe(r.Context(), "begun")
	}
	s.Made = now.Unix()
	return h.cookies.keepDesktop(w, r, s)
}

// desktop shows the state of the sign-in, and completes it once the phone has approved.
func (h *Handler) desktop(w http.ResponseWriter, r *http.Request) {
	s := h.sign(r)
	if s == nil {
		h.cfg.Site.Show(w, r, web.Page{Kind: web.Lost, Go: h.path + "/"})
		return
	}
	if s.Done {
		h.repeat(w, r, s, gateway.Ticket{})
		return
	}
	t, err := h.ticketOf(w, r, s)
	switch {
	case errors.Is(err, gateway.ErrFull):
		h.full(w, r, s)
	case errors.Is(err, gateway.ErrNotFound):
		h.show(w, r, s, h.expired(s))
	case err != nil:
		h.fail(w, r, err)
	case t.State == gateway.TicketApproved:
		h.finish(w, r, s, t)
	case t.State == gateway.TicketRedeemed:
		h.repeat(w, r, s, t)
	default:
		h.show(w, r, s, h.page(r.Context(), s, t))
	}
}

// full responds when too many tickets are open. Those that exist continue.
func (h *Handler) full(w http.ResponseWriter, r *http.Request, s *desktopFlow) {
	h.cfg.Logger.WarnContext(r.Context(), "ticket limit reached, no ticket created", "limit", h.cfg.MaxTickets,
		"request_id", h.cfg.RequestID(r.Context()))
	w.Header().Set("Retry-After", "30")
	h.cfg.Site.Show(w, r, web.Page{Kind: web.Busy, Go: h.at(pathDesktop, s)})
}

// page returns the page of a ticket that is in progress or has failed.
func (h *Handler) page(ctx context.Context, s *desktopFlow, t gateway.Ticket) web.Page {
	renew := web.Form{Action: h.at(pathRenew, s), Label: web.LabelNewCode}
	switch t.State {
	case gateway.TicketOpen:
		return h.codePage(s, t)
	case gateway.TicketScanned:
		renew.Label, renew.Quiet = web.LabelNotMe, true
		return web.Page{
			Kind: web.ScanHeld, User: h.person(ctx, t.Approver.UserID), Forms: []web.Form{renew},
			Scan: &web.Scan{State: string(t.State), Number: t.Number, Every: refreshEvery},
		}
	case gateway.TicketRefused:
		return web.Page{Kind: web.ScanRefused, Forms: []web.Form{renew}}
	case gateway.TicketMismatch:
		return web.Page{Kind: web.ScanWrong, Forms: []web.Form{renew}}
	}
	return h.expired(s)
}

// refreshEvery is how often a page without JavaScript loads itself.
const refreshEvery = 4 * time.Second

// codePage returns the page with the code. On a phone it has a link to copy and the number, since
// the page is out of sight in WeChat.
func (h *Handler) codePage(s *desktopFlow, t gateway.Ticket) web.Page {
	link, err := h.link(s)
	if err != nil {
		return web.Page{Kind: web.Fault}
	}
	scan := &web.Scan{State: string(t.State), Every: refreshEvery}
	if h.cfg.Phone != "" {
		scan.Phone = h.cfg.Phone + "/phone?open=" + url.QueryEscape(link)
	}
	if s.Phone {
		scan.Number, scan.Image = t.Number, h.at(pathPNG, s)
		return web.Page{Kind: web.ScanCopy, Copy: link, Scan: scan}
	}
	if scan.Code, err = draw(link); err != nil {
		return web.Page{Kind: web.Fault}
	}
	return web.Page{Kind: web.ScanCode, Scan: scan}
}

// link returns the link in the code.
func (h *Handler) link(s *desktopFlow) (string, error) {
	sec, err := s.secrets()
	return h.origin + h.path + pathDesktop + "/" + sec.id, err
}

// expired returns the page for a new code. For a while the page renews the code automatically; then
// the user has to ask for it.
func (h *Handler) expired(s *desktopFlow) web.Page {
	page := web.Page{Kind: web.ScanExpired, Forms: []web.Form{{Action: h.at(pathRenew, s), Label: web.LabelNewCode}},
		Scan: &web.Scan{State: "over"}}
	if h.present(s) {
		page.Scan.Renew = h.at(pathRenew, s)
	} else {
		page.Kind = web.ScanStill
	}
	return page
}

// present reports whether the user has been active lately.
func (h *Handler) present(s *desktopFlow) bool {
	return h.cfg.Now().Sub(time.Unix(s.Began, 0)) < renewLife
}

// show adds to a page what all pages of a sign-in have.
func (h *Handler) show(w http.ResponseWriter, r *http.Request, s *desktopFlow, p web.Page) {
	p.App = h.appName(s.LoginRequestID.App)
	if p.Scan != nil {
		p.Scan.Self, p.Scan.Poll = h.at(pathDesktop, s), h.at(pathState, s)
	}
	p.Forms = append(p.Forms, web.Form{Action: h.at(pathCancel, s), Label: web.LabelCancel, Quiet: true})
	h.cfg.Site.Show(w, r, p)
}

func (h *Handler) person(ctx context.Context, user string) *web.User {
	a, err := h.cfg.Users.User(ctx, user)
	if err != nil {
		// The page works without a name, and the next request finds it.
		return &web.User{}
	}
	return &web.User{Nickname: a.Nickname, Picture: a.AvatarURL}
}

// renew makes a new code. A button press shows that the user is there; a renewal by the page does
// not.
func (h *Handler) renew(w http.ResponseWriter, r *http.Request) {
	s := h.sign(r)
	if s == nil {
		h.cfg.Site.Show(w, r, web.Page{Kind: web.Lost, Go: h.path + "/"})
		return
	}
	itself := r.FormValue("auto") == "1"
	t, err := h.ticketOf(w, r, s)
	switch {
	case errors.Is(err, gateway.ErrFull):
		h.full(w, r, s)
		return
	case err != nil && !errors.Is(err, gateway.ErrNotFound):
		h.fail(w, r, err)
		return
	case itself && (err == nil || !h.present(s)), s.Done, err == nil &&
		(t.State == gateway.TicketApproved || t.State == gateway.TicketRedeemed):
		route.SeeOther(w, h.at(pathDesktop, s)) // nothing to renew
		return
	case err == nil:
		if err := h.cfg.Tickets.CancelTicket(r.Context(), t.Hash, t.Desktop, h.cfg.Now()); errors.Is(err,
			gateway.ErrUnavailable) {
			h.fail(w, r, err)
			return
		} // a ticket that was answered at this moment has ended as well, or the next request finds it approved
		if now, err := h.cfg.Tickets.Ticket(r.Context(), t.Hash, h.cfg.Now()); err == nil &&
			now.State == gateway.TicketApproved {
			route.SeeOther(w, h.at(pathDesktop, s))
			return
		}
	}
	s.Round++
	if !itself {
		s.Began = h.cfg.Now().Unix()
	}
	switch err := h.make(w, r, s); {
	case errors.Is(err, gateway.ErrFull):
		h.full(w, r, s)
	case err != nil:
		h.fail(w, r, err)
	default:
		route.SeeOther(w, h.at(pathDesktop, s))
	}
}
