package scan

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// This file makes the ticket of a desktop's sign-in: the row in the store for one QR code. Its
// secrets are derived from the seed in the desktop's cookie.

const (
	seedSize   = 32
	idSize     = 16               // bytes of a ticket's id: 128 bits
	ticketLife = 2 * time.Minute  // how long one QR code is valid
	renewLife  = 10 * time.Minute // how long an unattended page renews its QR code
)

// ticketData is the content of gateway.Ticket.Data: the parts of the desktop's request that the
// phone's requests need.
type ticketData struct {
	Session        []byte `json:"s"`           // hash of the id of the desktop's session, so that the phone can end it
	Network        string `json:"n,omitempty"` // hash of the desktop's network, see networks.tag
	Reauthenticate bool   `json:"f,omitempty"` // the phone has to sign in again, even with a session
	Consent        bool   `json:"c,omitempty"`
	Profile        bool   `json:"p,omitempty"`
}

func readTicketData(t gateway.Ticket) (d ticketData, err error) {
	if err := json.Unmarshal(t.Data, &d); err != nil || len(d.Session) != sha256.Size {
		return ticketData{}, errors.New("scan: malformed ticket data")
	}
	return d, nil
}

func newSeed() []byte {
	seed := make([]byte, seedSize)
	rand.Read(seed)
	return seed
}

// derive derives n bytes from the seed (HKDF), for one purpose and the present round, which is the
// number of the QR code. The bytes of one purpose reveal nothing about those of another.
func (f *desktopFlow) derive(purpose string, n int) ([]byte, error) {
	out, err := hkdf.Key(sha256.New, f.Seed, []byte(strconv.Itoa(f.Round)), "weigate/scan "+purpose, n)
	if err != nil {
		return nil, fmt.Errorf("scan: derive: %w", err)
	}
	return out, nil
}

// secrets are the values that are derived for a round. The id is visible in the QR code. The other
// two are never sent: each request derives them from the desktop's cookie.
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

// numbers returns the desktop's two-digit number and two decoys, from which the phone's user has to
// choose. They are derived from the cookie, so that a page that is rendered twice shows the same
// number.
func (f *desktopFlow) numbers() (number string, others []string, err error) {
	stream, err := f.derive("numbers", 64)
	if err != nil {
		return "", nil, err
	}
	var out []string
	for _, b := range stream {
		// 10 to 99 are 90 numbers. Only bytes below 180, a multiple of 90, are used, so that all
		// numbers are equally likely.
		if n := strconv.Itoa(int(b)%90 + 10); b < 180 && !slices.Contains(out, n) {
			out = append(out, n)
		}
		if len(out) == 3 {
			return out[0], out[1:], nil
		}
	}
	// 64 bytes give fewer than three numbers with a probability below 2^-50.
	return "", nil, errors.New("scan: no numbers")
}

// choices returns the numbers that the phone shows: sorted, so that the order does not reveal the
// desktop's.
func choices(t gateway.Ticket) []string {
	out := append(slices.Clone(t.Others), t.Number)
	slices.Sort(out)
	return out
}

// formID returns a value that identifies a ticket in the phone's forms, without revealing its id.
// With it, the form of an older page is rejected if the user has scanned another QR code since.
func formID(t gateway.Ticket) string {
	sum := sha256.Sum256(append([]byte("weigate/scan mark\x00"), t.Hash[:]...))
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

// newTicket returns the ticket of this round.
func (h *Handler) newTicket(r *http.Request, f *desktopFlow, now time.Time) (gateway.Ticket, error) {
	secrets, err := f.secrets()
	if err != nil {
		return gateway.Ticket{}, err
	}
	number, others, err := f.numbers()
	if err != nil {
		return gateway.Ticket{}, err
	}
	session, err := h.signIn.SessionHash(secrets.session)
	if err != nil {
		return gateway.Ticket{}, err
	}
	address := h.cfg.Address(r)
	data, err := json.Marshal(ticketData{
		Session: session[:], Network: h.networks.tag(address), Reauthenticate: f.LoginRequest.Reauthenticate,
		Consent: f.LoginRequest.Consent, Profile: f.LoginRequest.Profile,
	})
	if err != nil {
		return gateway.Ticket{}, fmt.Errorf("scan: %w", err)
	}
	return gateway.Ticket{
		Hash: hashID(secrets.id), Desktop: hashDesktop(secrets.desktop), App: f.LoginRequest.App,
		Connector: f.LoginRequest.Connector,
		Browser:   readBrowser(r.UserAgent()), MaskedIP: maskAddress(address), Number: number, Others: others,
		CreatedAt: now, ExpiresAt: now.Add(ticketLife), Data: data,
	}, nil
}
