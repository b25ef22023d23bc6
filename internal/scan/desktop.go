package scan

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/longpoll"
	"github.com/weigate/weigate/internal/qr"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/tabs"
	"github.com/weigate/weigate/internal/useragent"
	"github.com/weigate/weigate/internal/web"
)

// This file contains the pages of the desktop up to the approval: the QR code, the number, and the
// renewal of the QR code. finish.go contains what follows the approval. The desktop is the browser
// that shows the QR code. A ticket is the row in the store for one QR code. Each QR code is a round
// of the sign-in. A flow (desktopFlow) is the content of the desktop's cookie.

// Begin starts a sign-in by scan: signin.Handler calls it. It stores the login request in a sealed
// cookie, and redirects the browser to the page with the QR code. After the sign-in the browser
// continues at l.ReturnURL. Begin stores no ticket. The request of that page stores the ticket, if
// the browser sends the cookie. So clients without cookies cannot fill the store. If Begin returns
// an error, it has written nothing to w.
func (h *Handler) Begin(w http.ResponseWriter, r *http.Request, l session.LoginRequest) error {
	request, err := session.NewPendingRequest(r, l)
	if err != nil {
		return err
	}
	f := &desktopFlow{
		Seed: newSeed(), ActiveAt: h.cfg.Now().Unix(), OnPhone: useragent.Of(r).Handheld(), LoginRequest: request,
		tabID: tabs.NewID(),
	}
	if err := h.setFlow(w, r, f); err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	route.SeeOther(w, h.flowURL(pathDesktop, f))
	return nil
}

// flowURL returns a path of this package with the key of this sign-in and the language of its
// pages.
func (h *Handler) flowURL(path string, f *desktopFlow) string {
	return h.path + path + f.LoginRequest.Query(f.tabID)
}

// readFlow returns the flow whose tabID is the parameter d of r. It returns nil if this browser does
// not have the cookie of the flow.
func (h *Handler) readFlow(r *http.Request) *desktopFlow {
	tabID := r.URL.Query().Get("d")
	f := desktopFlow{tabID: tabID}
	if !h.tabs.Read(r, tabID, &f) || len(f.Seed) != seedSize {
		return nil
	}
	return &f
}

func (h *Handler) setFlow(w http.ResponseWriter, r *http.Request, f *desktopFlow) error {
	return h.tabs.Set(w, r, f.tabID, f)
}

// ticketOf returns the ticket of the flow's present QR code. If the flow has no ticket yet,
// ticketOf creates it.
func (h *Handler) ticketOf(w http.ResponseWriter, r *http.Request, f *desktopFlow) (gateway.Ticket, error) {
	secrets, err := f.secrets()
	if err != nil {
		return gateway.Ticket{}, err
	}
	if f.CreatedAt == 0 {
		if err := h.storeTicket(w, r, f); err != nil {
			return gateway.Ticket{}, err
		}
	}
	return h.cfg.Tickets.Ticket(r.Context(), hashID(secrets.id), h.cfg.Now())
}

// storeTicket creates the ticket of this round in the store. A ticket that exists already is not an
// error. The secrets of a ticket are derived from the cookie. Therefore a concurrent request of the
// same browser has created the same ticket.
func (h *Handler) storeTicket(w http.ResponseWriter, r *http.Request, f *desktopFlow) error {
	now := h.cfg.Now()
	t, err := h.newTicket(r, f, now)
	if err != nil {
		return err
	}
	err = h.cfg.Tickets.PutTicket(r.Context(), t, now, h.cfg.TicketLimits)
	if err != nil && !errors.Is(err, gateway.ErrConflict) {
		return err
	}
	if err == nil && f.Round == 0 {
		h.observe(r.Context(), "begun")
	}
	f.CreatedAt = now.Unix()
	return h.setFlow(w, r, f)
}

// desktop serves /scan. It shows the state of the sign-in, and completes it once the phone has
// approved.
func (h *Handler) desktop(w http.ResponseWriter, r *http.Request) {
	f := h.readFlow(r)
	if f == nil {
		h.cfg.Site.Show(w, r, web.Page{Kind: web.Lost, Go: h.path + "/"})
		return
	}
	if f.Redeemed {
		h.serveRedeemed(w, r, f, gateway.Ticket{}) // the ticket is not used, because f.Redeemed is set
		return
	}
	t, err := h.ticketOf(w, r, f)
	switch {
	case errors.Is(err, gateway.ErrFull):
		h.showFull(w, r, f)
	case errors.Is(err, gateway.ErrNotFound):
		h.showDesktop(w, r, f, h.expiredPage(f))
	case err != nil:
		h.fail(w, r, err)
	case t.State == gateway.TicketApproved:
		h.finish(w, r, f, t)
	case t.State == gateway.TicketRedeemed:
		h.serveRedeemed(w, r, f, t)
	default:
		h.showDesktop(w, r, f, h.ticketPage(f, t))
	}
}

// showFull responds when no ticket can be created. The number of tickets has reached
// TicketLimits.Total, and none may be deleted, because phones have scanned all of them.
func (h *Handler) showFull(w http.ResponseWriter, r *http.Request, f *desktopFlow) {
	h.cfg.Logger.WarnContext(r.Context(), "ticket limit reached, no ticket created", "limit", h.cfg.TicketLimits.Total,
		"request_id", h.cfg.RequestID(r.Context()))
	w.Header().Set("Retry-After", "30")
	h.cfg.Site.Show(w, r, web.Page{Kind: web.Busy, Go: h.flowURL(pathDesktop, f)})
}

// ticketPage returns the desktop's page for a ticket that is in progress or has failed. The page
// does not name the phone's user. Otherwise an attacker who sends a QR code to a victim would learn
// who opened it.
func (h *Handler) ticketPage(f *desktopFlow, t gateway.Ticket) web.Page {
	renew := web.Form{Action: h.flowURL(pathRenew, f), Label: web.LabelNewCode}
	switch t.State {
	case gateway.TicketOpen:
		return h.codePage(f, t)
	case gateway.TicketOpened:
		if f.OnPhone { // the user still needs the number, which codePage shows
			return h.codePage(f, t)
		}
		renew.Quiet = true
		return web.Page{
			Kind: web.ScanOpened, Forms: []web.Form{renew},
			Scan: &web.Scan{State: string(t.State), ReloadEvery: refreshEvery},
		}
	case gateway.TicketScanned:
		// "Not me" means that another person's phone has scanned the QR code: its ticket is cancelled.
		renew.Label, renew.Quiet = web.LabelNotMe, true
		return web.Page{
			Kind: web.ScanScanned, Forms: []web.Form{renew},
			Scan: &web.Scan{State: string(t.State), Number: t.Number, ReloadEvery: refreshEvery},
		}
	case gateway.TicketRefused:
		return web.Page{Kind: web.ScanRefused, Forms: []web.Form{renew}}
	case gateway.TicketMismatch:
		return web.Page{Kind: web.ScanWrong, Forms: []web.Form{renew}}
	}
	return h.expiredPage(f)
}

// refreshEvery is how often a page without JavaScript loads itself.
const refreshEvery = 4 * time.Second

// codePage returns the page with the QR code. If this browser is on a phone, its user cannot scan
// the screen. The page then has a link to copy into WeChat. It also shows the number at once: the
// user does not see this page while WeChat is open.
func (h *Handler) codePage(f *desktopFlow, t gateway.Ticket) web.Page {
	link, err := h.codeLink(f)
	if err != nil {
		return web.Page{Kind: web.Fault}
	}
	scan := &web.Scan{State: string(t.State), ReloadEvery: refreshEvery}
	if h.cfg.Phone != "" { // the simulator opens the link in a simulated phone
		scan.Phone = h.cfg.Phone + "/phone?open=" + url.QueryEscape(link)
	}
	if f.OnPhone {
		scan.Number, scan.Image = t.Number, h.flowURL(pathPNG, f)
		return web.Page{Kind: web.ScanCopy, Copy: link, Scan: scan}
	}
	if scan.Code, err = qr.Draw(link); err != nil {
		return web.Page{Kind: web.Fault}
	}
	return web.Page{Kind: web.ScanCode, Scan: scan}
}

// codeLink returns the link that the QR code contains.
func (h *Handler) codeLink(f *desktopFlow) (string, error) {
	secrets, err := f.secrets()
	return h.origin + h.path + pathDesktop + "/" + secrets.id, err
}

// expiredPage returns the page that offers a new QR code. While the user is active (isUserActive),
// the script of the page renews the QR code automatically. Later the user has to press the button.
// Otherwise an open page would create tickets forever.
func (h *Handler) expiredPage(f *desktopFlow) web.Page {
	page := web.Page{Kind: web.ScanExpired, Forms: []web.Form{{Action: h.flowURL(pathRenew, f), Label: web.LabelNewCode}},
		Scan: &web.Scan{State: longpoll.Expired}}
	if h.isUserActive(f) {
		page.Scan.Renew = h.flowURL(pathRenew, f)
	} else {
		page.Kind = web.ScanInactive
	}
	return page
}

// isUserActive reports whether the user started the sign-in, or pressed "Get a new code", within
// the last ten minutes.
func (h *Handler) isUserActive(f *desktopFlow) bool {
	return h.cfg.Now().Sub(time.Unix(f.ActiveAt, 0)) < renewLife
}

// showDesktop adds the fields that all pages of a desktop's sign-in have, and renders the page.
func (h *Handler) showDesktop(w http.ResponseWriter, r *http.Request, f *desktopFlow, p web.Page) {
	p.App = h.appName(r, f.LoginRequest.App)
	if p.Scan != nil { // the page runs scan.js, which needs these two addresses
		p.Scan.Self, p.Scan.Poll = h.flowURL(pathDesktop, f), h.flowURL(pathState, f)
	}
	p.Forms = append(p.Forms, web.Form{Action: h.flowURL(pathCancel, f), Label: web.LabelCancel, Quiet: true})
	h.cfg.Site.Show(w, r, p)
}

// user returns the nickname and picture of a user for a page. If the store fails, the page is shown
// without them.
func (h *Handler) user(ctx context.Context, userID string) *web.User {
	user, err := h.cfg.Users.User(ctx, userID)
	if err != nil {
		return &web.User{}
	}
	return web.UserOf(user)
}

// renew serves /scan/renew: it cancels the ticket of this round, and creates the ticket of the next
// round. Both a button and the page's script (auto=1) send this form. Only the button counts as
// activity of the user.
func (h *Handler) renew(w http.ResponseWriter, r *http.Request) {
	f := h.readFlow(r)
	if f == nil {
		h.cfg.Site.Show(w, r, web.Page{Kind: web.Lost, Go: h.path + "/"})
		return
	}
	automatic := r.FormValue("auto") == "1"
	t, err := h.ticketOf(w, r, f)
	switch {
	case errors.Is(err, gateway.ErrFull):
		h.showFull(w, r, f)
		return
	case err != nil && !errors.Is(err, gateway.ErrNotFound):
		h.fail(w, r, err)
		return
	}
	valid := err == nil // the ticket exists and has not expired
	approved := valid && (t.State == gateway.TicketApproved || t.State == gateway.TicketRedeemed)
	mayRenew := true
	if automatic { // the script renews only an expired QR code, and only while the user is active
		mayRenew = !valid && h.isUserActive(f)
	}
	if f.Redeemed || approved || !mayRenew {
		route.SeeOther(w, h.flowURL(pathDesktop, f))
		return
	}
	if valid {
		// CancelTicket also cancels a ticket that a phone has approved since this request read it: the
		// button means that the phone is not the user's. ErrConflict means that the phone has refused, or
		// that another request has redeemed the ticket.
		err := h.cfg.Tickets.CancelTicket(r.Context(), t.Hash, t.Desktop, h.cfg.Now())
		if err != nil && !errors.Is(err, gateway.ErrConflict) && !errors.Is(err, gateway.ErrNotFound) {
			h.fail(w, r, err)
			return
		}
	}
	f.Round++
	if !automatic {
		f.ActiveAt = h.cfg.Now().Unix()
	}
	switch err := h.storeTicket(w, r, f); {
	case errors.Is(err, gateway.ErrFull):
		h.showFull(w, r, f)
	case err != nil:
		h.fail(w, r, err)
	default:
		route.SeeOther(w, h.flowURL(pathDesktop, f))
	}
}
