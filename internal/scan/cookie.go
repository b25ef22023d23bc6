package scan

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/weigate/weigate/internal/cookie"
	"github.com/weigate/weigate/internal/seal"
	"github.com/weigate/weigate/internal/session"
)

// This file contains the sealed (encrypted and authenticated) cookies of the two devices. A desktop
// has one cookie for each tab with a sign-in in progress. A phone has one cookie, for the ticket
// that it scanned last. A ticket is the row in the store for one QR code.

// desktopFlow is the content of a desktop's cookie: one sign-in in one tab. The desktop is the
// browser that shows the QR code; it may itself be on a phone. A QR code expires, and a new QR code
// replaces it. Each QR code is a round of the sign-in, with its own ticket. The secrets of all
// rounds are derived from Seed.
type desktopFlow struct {
	Seed         []byte                 `json:"s"`
	Round        int                    `json:"n,omitempty"` // number of the QR code: 0 is the first, each renewal adds 1
	CreatedAt    int64                  `json:"m,omitempty"` // when this round's ticket was stored (Unix); 0 = not yet
	ActiveAt     int64                  `json:"b"`           // when the user started or renewed the QR code (Unix)
	Redeemed     bool                   `json:"x,omitempty"` // the ticket was redeemed: the browser is signed in
	OnPhone      bool                   `json:"p,omitempty"` // this browser is on a phone, so its page has a link to copy
	LoginRequest session.PendingRequest `json:"d"`
	tabID        string                 // part of the cookie's name; URLs contain it as the parameter d
}

// phoneTicket is the content of a phone's cookie. It contains the ticket's id, so that the
// addresses of pages need not contain the id. The cookie is replaced when the phone opens the link
// of another QR code. So the button "not me", which withdraws an approval, does not rely on this
// cookie: it looks up the approval in the store.
type phoneTicket struct {
	Ticket         string `json:"t,omitempty"` // id of the ticket
	LoginRequestID string `json:"d,omitempty"` // id of the phone's own sign-in, if the phone has to sign in first
}

// The lifetime and the name of the phone's cookie.
const (
	phoneAge    = 15 * time.Minute
	phoneCookie = "k" // the whole name
)

// cookies reads and sets the cookies of phones. Package tabs does so for the desktops.
type cookies struct {
	set    cookie.Set
	sealer *seal.Sealer
}

func newCookies(gatewayURL *url.URL, sealer *seal.Sealer) cookies {
	return cookies{set: cookie.For(gatewayURL, "weigate"), sealer: sealer}
}

// seal returns content as the value of the cookie with this name. The name is authenticated: the
// value cannot be opened under another name.
func (c *cookies) seal(name string, content any) (string, error) {
	plain, err := json.Marshal(content)
	if err != nil {
		return "", fmt.Errorf("scan: seal a cookie: %w", err)
	}
	return c.sealer.Seal(c.set.Name(name), plain)
}

// open is the reverse of seal.
func (c *cookies) open(name, value string, content any) error {
	plain, err := c.sealer.Open(c.set.Name(name), value)
	if err != nil {
		return err
	}
	return json.Unmarshal(plain, content)
}

// readPhone returns the content of the cookie of the phone that sent r, or nil. It skips cookies
// that cannot be opened: another host may have set one of the same name.
func (c *cookies) readPhone(r *http.Request) *phoneTicket {
	for sent := range c.set.Named(r, phoneCookie) {
		var p phoneTicket
		if c.open(phoneCookie, sent.Value, &p) == nil {
			return &p
		}
	}
	return nil
}

func (c *cookies) setPhone(w http.ResponseWriter, p phoneTicket) error {
	value, err := c.seal(phoneCookie, p)
	if err != nil {
		return err
	}
	http.SetCookie(w, c.set.New(phoneCookie, value, phoneAge))
	return nil
}
