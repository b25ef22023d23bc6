package chat

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/limit"
	"github.com/weigate/weigate/internal/longpoll"
	"github.com/weigate/weigate/internal/qr"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/tabs"
	"github.com/weigate/weigate/internal/useragent"
	"github.com/weigate/weigate/internal/web"
	"github.com/weigate/weigate/wechat"
)

// This file contains the pages of the desktop (the browser that signs in) until the confirmation
// code is typed. finish.go contains what follows. A flow (desktopFlow) is the content of the
// desktop's cookie. Each number (method message) or QR code (method follow) of a flow is a round,
// with its own row in the store.

// Begin starts a sign-in through the chat with the account of a connector. signin.Handler calls it.
// It stores the login request in a sealed cookie, and redirects the browser to the page of the
// sign-in. Begin stores no row. The page stores the row, when the browser has sent the cookie. So
// clients without cookies cannot fill the store. If Begin returns an error, it has written nothing
// to w.
func (h *Handler) Begin(w http.ResponseWriter, r *http.Request, l session.LoginRequest, connector,
	method string) error {
	account := h.accounts[connector]
	// The method follow needs the API of the account, which makes its QR codes.
	if account == nil || method != gateway.MethodMessage && (method != gateway.MethodFollow || account.API == nil) {
		return fmt.Errorf("chat: connector %q does not have the method %q", connector, method)
	}
	request, err := session.NewPendingRequest(r, l)
	if err != nil {
		return err
	}
	agent := useragent.Of(r)
	f := &desktopFlow{
		Seed: newSeed(), ActiveAt: h.cfg.Now().Unix(), OnPhone: agent.Handheld(),
		InWeChat: agent.Client == useragent.WeChat, Method: method, Connector: connector,
		LoginRequest: request, tabID: tabs.NewID(),
	}
	if err := h.tabs.Set(w, r, f.tabID, f); err != nil {
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

// readFlow returns the flow whose tabID is the parameter d of r. If this browser does not have the
// cookie of the flow, it shows a page that says so, and returns nil.
func (h *Handler) readFlow(w http.ResponseWriter, r *http.Request) *desktopFlow {
	f := h.flowOf(r)
	if f == nil {
		h.cfg.Site.Show(w, r, web.Page{Kind: web.Lost, Go: h.path + "/"})
	}
	return f
}

// flowOf returns the same flow, or nil without a page.
func (h *Handler) flowOf(r *http.Request) *desktopFlow {
	tabID := r.URL.Query().Get("d")
	f := desktopFlow{tabID: tabID}
	if !h.tabs.Read(r, tabID, &f) || len(f.Seed) != seedSize || h.accounts[f.Connector] == nil {
		return nil
	}
	return &f
}

// errBusy means that WeChat makes no QR code now.
var errBusy = errors.New("chat: no QR code")

// rowOf returns the row of the flow's present round. If the round has no row yet, rowOf creates it.
func (h *Handler) rowOf(w http.ResponseWriter, r *http.Request, f *desktopFlow) (gateway.ChatSignIn, error) {
	if f.CreatedAt == 0 {
		if err := h.storeRow(w, r, f); err != nil {
			return gateway.ChatSignIn{}, err
		}
	}
	return h.readRow(r.Context(), f)
}

// readRow returns the row of the flow's present round. After the row has expired, another desktop
// can get the same number. readRow does not return the row of another desktop.
func (h *Handler) readRow(ctx context.Context, f *desktopFlow) (gateway.ChatSignIn, error) {
	key, desktop, err := f.hashes()
	if err != nil {
		return gateway.ChatSignIn{}, err
	}
	row, err := h.cfg.SignIns.ChatSignIn(ctx, key, h.cfg.Now())
	if err == nil && row.Desktop != desktop {
		err = gateway.ErrNotFound
	}
	return row, err
}

// storeRow creates the row of this round in the store. A row that a concurrent request of the same
// browser has created is not an error.
func (h *Handler) storeRow(w http.ResponseWriter, r *http.Request, f *desktopFlow) error {
	now := h.cfg.Now()
	for {
		row, err := h.newRow(r, f, now)
		if err != nil {
			return err
		}
		err = h.cfg.SignIns.PutChatSignIn(r.Context(), row, now, h.cfg.Total)
		if errors.Is(err, gateway.ErrConflict) {
			if _, err := h.readRow(r.Context(), f); err == nil {
				break // another request of this browser
			}
			if f.Attempt++; f.Attempt < attempts {
				continue
			}
			return gateway.ErrFull
		}
		if err != nil {
			return err
		}
		if f.Round == 0 {
			h.observe(r.Context(), f, "begun")
		}
		break
	}
	if f.Method == gateway.MethodFollow {
		if err := h.createQRCode(r, f); err != nil {
			return err
		}
	}
	f.CreatedAt = now.Unix()
	return h.tabs.Set(w, r, f.tabID, f)
}

// createQRCode requests the QR code of this round from WeChat. WeChat makes at most 100,000 QR
// codes a day for each account.
func (h *Handler) createQRCode(r *http.Request, f *desktopFlow) error {
	scene, err := f.scene()
	if err != nil {
		return err
	}
	network := "unknown"
	if address := h.cfg.Address(r); address.IsValid() {
		network = limit.Network(address)
	}
	if !h.cfg.Limits.Allow(h.cfg.Now(), limit.Bucket{Rate: limit.ChatQRCodesPerNetwork, Key: network},
		limit.Bucket{Rate: limit.ChatQRCodes, Key: f.Connector}) {
		return errBusy
	}
	code, err := h.accounts[f.Connector].API.CreateQRCode(r.Context(), wechat.QRCodeRequest{Scene: scene, Life: life})
	if err != nil {
		h.cfg.Logger.WarnContext(r.Context(), "WeChat made no QR code", "connector", f.Connector, "error", err,
			"request_id", h.cfg.RequestID(r.Context()))
		return errBusy
	}
	f.QRCode = code.URL
	return nil
}

// desktop serves /chat. It shows the state of the sign-in.
func (h *Handler) desktop(w http.ResponseWriter, r *http.Request) {
	f := h.readFlow(w, r)
	if f == nil {
		return
	}
	if f.Completed {
		h.answerCompleted(w, r, f)
		return
	}
	row, err := h.rowOf(w, r, f)
	if err != nil {
		h.showError(w, r, f, err)
		return
	}
	h.showRow(w, r, f, row, web.CodeForm{})
}

// showError responds when a row to show is missing.
func (h *Handler) showError(w http.ResponseWriter, r *http.Request, f *desktopFlow, err error) {
	switch {
	case errors.Is(err, gateway.ErrFull):
		h.cfg.Logger.WarnContext(r.Context(), "chat sign-in limit reached, none created", "limit", h.cfg.Total.Total,
			"request_id", h.cfg.RequestID(r.Context()))
		w.Header().Set("Retry-After", "30")
		h.cfg.Site.Show(w, r, web.Page{Kind: web.Busy, Go: h.flowURL(pathDesktop, f)})
	case errors.Is(err, errBusy):
		h.cfg.Site.Show(w, r, web.Page{Kind: web.Busy, Go: h.flowURL(pathDesktop, f), Forms: h.messageForm(f)})
	case (errors.Is(err, gateway.ErrNotFound) || errors.Is(err, gateway.ErrExpired)) && h.hasStoredSession(r, f):
		// The row was completed, and has expired since. The browser has lost the response.
		h.answerCompleted(w, r, f)
	case errors.Is(err, gateway.ErrNotFound), errors.Is(err, gateway.ErrExpired):
		h.showDesktop(w, r, f, web.Page{Kind: web.ChatExpired, Forms: []web.Form{h.renewForm(f)}})
	default:
		h.fail(w, r, err)
	}
}

// showRow shows the page for the state of the row. form has the problem of the code that the user
// typed.
func (h *Handler) showRow(w http.ResponseWriter, r *http.Request, f *desktopFlow, row gateway.ChatSignIn,
	form web.CodeForm) {
	switch row.State {
	case gateway.ChatWaiting:
		h.showWaiting(w, r, f, row, form)
	case gateway.ChatAnswered:
		renew := h.renewForm(f)
		renew.Quiet = true
		form.Action = h.flowURL(pathCode, f)
		h.showDesktop(w, r, f, web.Page{Kind: web.ChatAnswered, Forms: []web.Form{renew},
			Scan: &web.Scan{State: string(row.State), CodeForm: &form}})
	case gateway.ChatCompleted:
		h.answerCompleted(w, r, f)
	case gateway.ChatWrongCode:
		h.showDesktop(w, r, f, web.Page{Kind: web.ChatWrong, Forms: []web.Form{h.renewForm(f)}})
	case gateway.ChatRefused:
		h.showDesktop(w, r, f, web.Page{Kind: web.ChatRefused, Forms: []web.Form{h.renewForm(f)}})
	default: // cancelled, in another tab
		h.showDesktop(w, r, f, web.Page{Kind: web.ChatExpired, Forms: []web.Form{h.renewForm(f)}})
	}
}

func (h *Handler) renewForm(f *desktopFlow) web.Form {
	label := web.LabelNewNumber
	if f.Method == gateway.MethodFollow {
		label = web.LabelNewCode
	}
	return web.Form{Action: h.flowURL(pathRenew, f), Label: label}
}

// showWaiting shows the number or the QR code, and the field for the confirmation code.
func (h *Handler) showWaiting(w http.ResponseWriter, r *http.Request, f *desktopFlow, row gateway.ChatSignIn,
	form web.CodeForm) {
	form.Action = h.flowURL(pathCode, f)
	page := web.Page{Scan: &web.Scan{State: string(row.State), CodeForm: &form}}
	var err error
	if f.Method == gateway.MethodFollow {
		page.Forms = h.messageForm(f)
		err = h.drawQRCode(&page, f)
	} else {
		err = h.drawNumber(&page, f)
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.showDesktop(w, r, f, page)
}

// drawQRCode adds the QR code of the method follow to a page. On a phone the QR code is a picture:
// users save the picture, or press it in WeChat.
func (h *Handler) drawQRCode(p *web.Page, f *desktopFlow) (err error) {
	switch {
	case f.OnPhone && f.InWeChat:
		p.Kind, p.Scan.Image = web.ChatFollowWeChat, h.flowURL(pathPNG, f)
	case f.OnPhone:
		p.Kind, p.Scan.Image = web.ChatFollowPhone, h.flowURL(pathPNG, f)
	default:
		p.Kind = web.ChatFollow
		p.Scan.Phone = h.accounts[f.Connector].simulatedPhone("scan", f.QRCode)
		p.Scan.Code, err = qr.Draw(f.QRCode)
	}
	return err
}

// drawNumber adds the number of the method message, and the account, to a page.
func (h *Handler) drawNumber(p *web.Page, f *desktopFlow) error {
	account := h.accounts[f.Connector]
	number, err := f.number()
	if err != nil {
		return err
	}
	p.Kind, p.Scan.Number, p.Scan.CopyNumber = web.ChatNumber, spaced(number), true
	p.Scan.Account = &web.Account{Name: account.Name, ID: account.ID}
	if f.OnPhone && f.InWeChat {
		p.Kind = web.ChatNumberWeChat
	}
	p.Scan.OpenWeChat = f.OnPhone && !f.InWeChat
	p.Scan.Phone = account.simulatedPhone("text", number)
	if account.QRCode == "" {
		return nil
	}
	switch {
	case f.OnPhone && f.InWeChat:
		p.Scan.CodeHint, p.Scan.Image = web.HintPress, h.flowURL(pathPNG, f)
	case f.OnPhone:
		p.Scan.CodeHint, p.Scan.Image = web.HintSave, h.flowURL(pathPNG, f)
	default:
		p.Scan.CodeHint = web.HintScan
		p.Scan.Code, err = qr.Draw(account.QRCode)
	}
	return err
}

// showDesktop adds the fields that all pages of a desktop's sign-in have, and renders the page.
func (h *Handler) showDesktop(w http.ResponseWriter, r *http.Request, f *desktopFlow, p web.Page) {
	p.App = h.pageApp(r, f)
	if p.Scan != nil { // the page runs scan.js, which needs these two addresses
		p.Scan.Self, p.Scan.Poll = h.flowURL(pathDesktop, f), h.flowURL(pathState, f)
	}
	p.Forms = append(p.Forms, web.Form{Action: h.flowURL(pathCancel, f), Label: web.LabelCancel, Quiet: true})
	h.cfg.Site.Show(w, r, p)
}

// stateGone is the response of the long poll if the browser has nothing to wait for. The page then
// reloads and shows the reason.
const stateGone = gateway.ChatState("gone")

// state serves /chat/state, a long poll. The response contains the state only. The script then
// requests the page again.
func (h *Handler) state(w http.ResponseWriter, r *http.Request) {
	f := h.flowOf(r)
	if f == nil || f.CreatedAt == 0 || f.Completed { // CreatedAt 0: no row is stored yet
		longpoll.Write(w, stateGone)
		return
	}
	key, _, err := f.hashes()
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.watcher.Serve(w, r, key, h.cfg.Stopping)
}

// codePNG serves a QR code as a picture: the code of the method follow, or the account's own code.
// On a phone, users save it with a long press and scan it from their album in WeChat. In WeChat's
// own browser, the long press opens the account.
func (h *Handler) codePNG(w http.ResponseWriter, r *http.Request) {
	f := h.flowOf(r)
	if f == nil || f.Completed {
		http.NotFound(w, r)
		return
	}
	content := f.QRCode
	if f.Method == gateway.MethodMessage {
		content = h.accounts[f.Connector].QRCode
	}
	if content == "" {
		http.NotFound(w, r)
		return
	}
	body, err := h.pictures.PNG(content)
	if err != nil {
		h.fail(w, r, fmt.Errorf("chat: draw the code: %w", err))
		return
	}
	w.Header().Set("Content-Type", "image/png")
	w.Header().Set("Content-Security-Policy", "default-src 'none'")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(body) // fails when the browser has disconnected
}

// continueDelay is how long the page with the name of the signed-in user is shown.
const continueDelay = 2 * time.Second
