package scan

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/useragent"
)

// This file makes tickets. A ticket is the row in the store for one QR code. A desktop is the
// browser that shows the QR code. A flow is one sign-in; the desktop keeps it in its cookie. Each
// QR code of a flow is a round, with its own ticket. The secrets of a ticket are derived from the
// seed in the cookie.

const (
	seedSize   = 32
	idSize     = 16               // bytes of a ticket's id: 128 bits
	ticketLife = 2 * time.Minute  // how long one QR code is valid
	renewLife  = 10 * time.Minute // how long a page renews its QR code automatically without the user's activity
)

// ticketData is the content of gateway.Ticket.Data: the parts of the desktop's request that the
// phone's requests need.
type ticketData struct {
	Network        string `json:"n,omitempty"` // of the desktop (networkKeys.tag), compared with the phone's
	Reauthenticate bool   `json:"f,omitempty"` // the phone has to sign in again, even with a session
	Consent        bool   `json:"c,omitempty"` // the phone has to see WeChat's consent page
	Profile        bool   `json:"p,omitempty"` // the app wants nickname and picture

	WithoutAgreement bool `json:"w,omitempty"` // LoginRequest.WithoutAgreement
}

func readTicketData(t gateway.Ticket) (d ticketData, err error) {
	if err := json.Unmarshal(t.Data, &d); err != nil {
		return ticketData{}, errors.New("scan: malformed ticket data")
	}
	return d, nil
}

func newSeed() []byte {
	seed := make([]byte, seedSize)
	rand.Read(seed)
	return seed
}

// derive derives n bytes from the seed by HKDF, for a purpose and the present round. Bytes for one
// purpose reveal nothing about bytes for another purpose.
func (f *desktopFlow) derive(purpose string, n int) ([]byte, error) {
	out, err := hkdf.Key(sha256.New, f.Seed, []byte(strconv.Itoa(f.Round)), "weigate/scan "+purpose, n)
	if err != nil {
		return nil, fmt.Errorf("scan: derive: %w", err)
	}
	return out, nil
}

// secrets are the values that are derived for a round. The id is visible in the QR code. desktop
// and session are never sent: each request derives them from the desktop's cookie.
type secrets struct {
	id      string // the ticket's id, in the QR code
	desktop []byte // proves that this browser created the ticket
	session []byte // seed of the session id, see session.Authentication
}

func (f *desktopFlow) secrets() (out secrets, err error) {
	id, err := f.derive("ticket", idSize)
	if err == nil {
		out.desktop, err = f.derive("desktop", 32)
	}
	if err == nil {
		out.session, err = f.derive("session", 32)
	}
	out.id = strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(id))
	return out, err
}

// hashID hashes a ticket's id. Malformed ids are hashed too, and are not found.
func hashID(id string) [32]byte { return sha256.Sum256([]byte("weigate/scan ticket\x00" + id)) }

func hashDesktop(secret []byte) [32]byte {
	return sha256.Sum256(append([]byte("weigate/scan desktop\x00"), secret...))
}

// number returns the two-digit number of this round: the desktop shows it, and the user types it on
// the phone. It is derived from the seed. Therefore concurrent requests get the same number.
func (f *desktopFlow) number() (string, error) {
	stream, err := f.derive("number", 64)
	if err != nil {
		return "", err
	}
	for _, b := range stream {
		// 10 to 99 are 90 values. 180 is the largest multiple of 90 that a byte can hold. With this
		// limit all numbers are equally likely.
		if b < 180 {
			return strconv.Itoa(int(b)%90 + 10), nil
		}
	}
	return "", errors.New("scan: no number") // less likely than 2^-100
}

// readNumber returns the two digits that a user typed, or "" for any other text. Chinese input
// methods can produce full-width digits (０-９). readNumber returns ASCII digits for them.
func readNumber(typed string) string {
	var out strings.Builder
	for _, c := range strings.TrimSpace(typed) {
		if c >= '０' && c <= '９' {
			c += '0' - '０'
		}
		if c < '0' || c > '9' {
			return ""
		}
		out.WriteRune(c)
	}
	if out.Len() != 2 {
		return ""
	}
	return out.String()
}

// isNumber reports whether typed is the ticket's number.
func isNumber(t gateway.Ticket, typed string) bool {
	return subtle.ConstantTimeCompare([]byte(t.Number), []byte(typed)) == 1
}

// formID returns a value that identifies the ticket with this hash. It reveals neither the id nor
// the hash of the ticket. The phone's forms contain it, so that a form made for an older QR code is
// not accepted for a newer one. The session that a ticket creates contains it too.
func formID(hash [32]byte) string {
	sum := sha256.Sum256(append([]byte("weigate/scan mark\x00"), hash[:]...))
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

// newTicket returns the ticket of this round.
func (h *Handler) newTicket(r *http.Request, f *desktopFlow, now time.Time) (gateway.Ticket, error) {
	secrets, err := f.secrets()
	if err != nil {
		return gateway.Ticket{}, err
	}
	number, err := f.number()
	if err != nil {
		return gateway.Ticket{}, err
	}
	address := h.cfg.Address(r)
	data, err := json.Marshal(ticketData{
		Network: h.networks.tag(address), Reauthenticate: f.LoginRequest.Reauthenticate,
		Consent: f.LoginRequest.Consent, Profile: f.LoginRequest.Profile,
		WithoutAgreement: f.LoginRequest.WithoutAgreement,
	})
	if err != nil {
		return gateway.Ticket{}, fmt.Errorf("scan: %w", err)
	}
	return gateway.Ticket{ // Network is a hash, by which the store limits the tickets of one network
		Hash: hashID(secrets.id), Desktop: hashDesktop(secrets.desktop), App: f.LoginRequest.App,
		Connector: f.LoginRequest.Connector,
		Browser:   useragent.Of(r).String(), MaskedIP: route.MaskedAddress(address), Network: h.networks.limitHash(address),
		Number: number, CreatedAt: now, ExpiresAt: now.Add(ticketLife), Data: data,
	}, nil
}
