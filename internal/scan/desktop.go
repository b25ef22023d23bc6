package scan

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	go_qr "github.com/piglig/go-qr"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
)

// Begin redirects the browser to the page with the code; afterwards the browser continues at
// l.ReturnURL. The login request is stored in a sealed cookie, and a row in the store is created
// only when the browser returns with that cookie. When Begin returns an error, it has written
// nothing to w.
func (h *Handler) Begin(w http.ResponseWriter, r *http.Request, l session.LoginRequest) error {
	if len(l.ReturnURL) > session.MaxReturn || len(l.CancelURL) > session.MaxReturn {
		return errors.New("scan: the login request does not fit into the cookie")
	}
	s := &desktopFlow{
		Seed: newSeed(), Began: h.cfg.Now().Unix(), Phone: onPhone(r.UserAgent()), key: newKey(),
		LoginRequest: pendingRequest{ID: l.ID, Return: l.ReturnURL, App: l.App.ID, Connector: l.Connector,
			Fresh: l.Reauthenticate, Consent: l.Consent, Profile: l.Profile, Cancel: l.CancelURL,
			Restart: session.CompactRestart(l.ReturnURL, l.RestartURL)},
	}
	if l.UILocales != "" {
		s.LoginRequest.Lang = lang.FromHeader(r.Header, lang.English)
		if language, found := lang.FromLocales(l.UILocales); found {
			s.LoginRequest.Lang = language
		}
	}
	if err := h.cookies.keepDesktop(w, r, s); err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	route.SeeOther(w, h.at(pathDesktop, s))
	return nil
}

// at returns an address with the parameters of this sign-in.
func (h *Handler) at(path string, s *desktopFlow) string {
	q := "?d=" + s.key
	if s.LoginRequest.Lang != "" {
		q += "&ui_locales=" + s.LoginRequest.Lang
	}
	return h.path + path + q
}

func (h *Handler) readFlow(r *http.Request) *desktopFlow {
	return h.cookies.readDesktop(r, r.URL.Query().Get("d"))
}

// ticketOf returns the ticket of this round, and creates it at the round's first request.
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

// make stores the ticket of this round. A concurrent second request of this browser makes the same
// ticket, so a ticket that exists is not an error.
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
	s := h.readFlow(r)
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
			Kind: web.ScanScanned, User: h.user(ctx, t.Approver.UserID), Forms: []web.Form{renew},
			Scan: &web.Scan{State: string(t.State), Number: t.Number, ReloadEvery: refreshEvery},
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
	scan := &web.Scan{State: string(t.State), ReloadEvery: refreshEvery}
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

// expired returns the page that offers a new code. While the user has been active lately, the page
// renews the code automatically; afterwards the user has to press the button.
func (h *Handler) expired(s *desktopFlow) web.Page {
	page := web.Page{Kind: web.ScanExpired, Forms: []web.Form{{Action: h.at(pathRenew, s), Label: web.LabelNewCode}},
		Scan: &web.Scan{State: "over"}}
	if h.present(s) {
		page.Scan.Renew = h.at(pathRenew, s)
	} else {
		page.Kind = web.ScanInactive
	}
	return page
}

// present reports whether the user has been active lately.
func (h *Handler) present(s *desktopFlow) bool {
	return h.cfg.Now().Sub(time.Unix(s.Began, 0)) < renewLife
}

// show completes a page with the fields that all pages of a sign-in have, and renders it.
func (h *Handler) show(w http.ResponseWriter, r *http.Request, s *desktopFlow, p web.Page) {
	p.App = h.appName(s.LoginRequest.App)
	if p.Scan != nil {
		p.Scan.Self, p.Scan.Poll = h.at(pathDesktop, s), h.at(pathState, s)
	}
	p.Forms = append(p.Forms, web.Form{Action: h.at(pathCancel, s), Label: web.LabelCancel, Quiet: true})
	h.cfg.Site.Show(w, r, p)
}

func (h *Handler) user(ctx context.Context, user string) *web.User {
	a, err := h.cfg.Users.User(ctx, user)
	if err != nil {
		// The page works without a name, and the next request finds it.
		return &web.User{}
	}
	return &web.User{Nickname: a.Nickname, Picture: a.AvatarURL}
}

// renew makes a new code. Pressing the button counts as activity of the user; an automatic renewal
// does not.
func (h *Handler) renew(w http.ResponseWriter, r *http.Request) {
	s := h.readFlow(r)
	if s == nil {
		h.cfg.Site.Show(w, r, web.Page{Kind: web.Lost, Go: h.path + "/"})
		return
	}
	automatic := r.FormValue("auto") == "1"
	t, err := h.ticketOf(w, r, s)
	switch {
	case errors.Is(err, gateway.ErrFull):
		h.full(w, r, s)
		return
	case err != nil && !errors.Is(err, gateway.ErrNotFound):
		h.fail(w, r, err)
		return
	case automatic && (err == nil || !h.present(s)), s.Done, err == nil &&
		(t.State == gateway.TicketApproved || t.State == gateway.TicketRedeemed):
		route.SeeOther(w, h.at(pathDesktop, s)) // nothing to renew
		return
	case err == nil:
		if err := h.cfg.Tickets.CancelTicket(r.Context(), t.Hash, t.Desktop, h.cfg.Now()); errors.Is(err,
			gateway.ErrUnavailable) {
			h.fail(w, r, err)
			return
		}
		// A ticket that the phone has answered meanwhile has ended too, unless it is approved.
		if now, err := h.cfg.Tickets.Ticket(r.Context(), t.Hash, h.cfg.Now()); err == nil &&
			now.State == gateway.TicketApproved {
			route.SeeOther(w, h.at(pathDesktop, s))
			return
		}
	}
	s.Round++
	if !automatic {
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

// quiet is the width of the white margin that QR code readers need, in modules.
const quiet = 4

func encode(link string) (*go_qr.QrCode, error) {
	code, err := go_qr.EncodeText(link, go_qr.Medium)
	if err != nil {
		return nil, fmt.Errorf("scan: draw the code: %w", err)
	}
	return code, nil
}

// draw returns the code as the path of an SVG, one stroke for each run of dark modules: about 5 kB.
func draw(link string) (*web.Code, error) {
	code, err := encode(link)
	if err != nil {
		return nil, err
	}
	var path strings.Builder
	for y := range code.Size() {
		for x := 0; x < code.Size(); x++ {
			run := x
			for run < code.Size() && code.Module(run, y) {
				run++
			}
			if run > x {
				fmt.Fprintf(&path, "M%d %dh%dv1h-%dz", x+quiet, y+quiet, run-x, run-x)
				x = run
			}
		}
	}
	return &web.Code{Size: code.Size() + 2*quiet, Path: path.String(), Link: link}, nil
}

// codePNG serves this browser's code as an image, which users save with a long press and scan from
// their album.
func (h *Handler) codePNG(w http.ResponseWriter, r *http.Request) {
	h.image(w, r, "image/png", func(code *go_qr.QrCode) ([]byte, error) {
		return code.ToPNGBytes(go_qr.NewQrCodeImgConfig(10, quiet))
	})
}

// codeSVG serves the code as an SVG image, for printing or a large screen.
func (h *Handler) codeSVG(w http.ResponseWriter, r *http.Request) {
	h.image(w, r, "image/svg+xml", func(code *go_qr.QrCode) ([]byte, error) {
		return code.ToSVGBytes(go_qr.NewQrCodeImgConfig(10, quiet, go_qr.WithOptimalSVG()))
	})
}

// image serves an image of a code. It creates no ticket: there is an image only of a code that a
// page has shown.
func (h *Handler) image(w http.ResponseWriter, r *http.Request, kind string,
	encoded func(*go_qr.QrCode) ([]byte, error)) {
	s := h.readFlow(r)
	if s == nil || s.Made == 0 || s.Done {
		http.NotFound(w, r)
		return
	}
	link, err := h.link(s)
	var code *go_qr.QrCode
	var body []byte
	if err == nil {
		code, err = encode(link)
	}
	if err == nil {
		body, err = encoded(code)
	}
	if err != nil {
		h.fail(w, r, fmt.Errorf("scan: draw the code: %w", err))
		return
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Security-Policy", "default-src 'none'")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(body) // fails when the browser has disconnected
}
