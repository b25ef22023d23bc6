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

const (
	seedSize   = 32
	idSize     = 16               // bytes of a ticket's id: 128 bits
	ticketLife = 2 * time.Minute  // of one code
	renewLife  = 10 * time.Minute // how long a page renews its code before it asks whether the user is there
)

// ticketData is gateway.Ticket.Data.
type ticketData struct {
	Session []byte `json:"s"`           // hash of the desktop's session, so that the phone can end it
	Network string `json:"n,omitempty"` // mark of the desktop's network; see network.go
	Fresh   bool   `json:"f,omitempty"` // the phone has to sign in again
	Consent bool   `json:"c,omitempty"`
	Profile bool   `json:"p,omitempty"`
}

func readData(t gateway.Ticket) (d ticketData, err error) {
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

// derive derives the bytes for one purpose in one round: one of them reveals nothing about another.
func (s *desktopFlow) derive(purpose string, n int) ([]byte, error) {
	out, err := hkdf.Key(sha256.New, s.Seed, []byte(strconv.Itoa(s.Round)), "weigate/scan "+purpose, n)
	if err != nil {
		return nil, fmt.Errorf("scan: derive: %w", err)
	}
	return out, nil
}

// secrets are the secrets of a round of a sign-in.
type secrets struct {
	id      string // in the code
	desktop []byte // proves that a browser made the ticket
	session []byte // seed of the session
}

func (s *desktopFlow) secrets() (out secrets, err error) {
	id, err := s.derive("ticket", idSize)
	if err == nil {
		out.desktop, err = s.derive("desktop", 32)
	}
	if err == nil {
		out.session, err = s.derive("session", 32)
	}
	out.id = strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(id))
	return out, err
}

// hashID hashes a ticket's id. Malformed ids are hashed too, and are not found.
func hashID(id string) [32]byte { return sha256.Sum256([]byte("weigate/scan ticket\x00" + id)) }

func hashDesktop(secret []byte) [32]byte {
	return sha256.Sum256(append([]byte("weigate/scan desktop\x00"), secret...))
}

// numbers returns the desktop's two digits and two decoys. They are derived from the cookie, so
// that a page that is made twice shows the same.
func (s *desktopFlow) numbers() (number string, others []string, err error) {
	stream, err := s.derive("numbers", 64)
	if err != nil {
		return "", nil, err
	}
	var out []string
	for _, b := range stream {
		// 10 to 99 are 90 values; 180 is the largest multiple that fits, so that each is as likely.
		if n := strconv.Itoa(int(b)%90 + 10); b < 180 && !slices.Contains(out, n) {
			out = append(out, n)
		}
		if len(out) == 3 {
			return out[0], out[1:], nil
		}
	}
	return "", nil, errors.New("scan: no numbers") // less likely than 2^-50
}

// choices returns the numbers that the phone shows, in an order that reveals nothing.
func choices(t gateway.Ticket) []string {
	out := append(slices.Clone(t.Others), t.Number)
	slices.Sort(out)
	return out
}

// mark returns what identifies a ticket in a form of the phone: a form counts for the ticket of its
// page, not for another code that was scanned since.
func mark(t gateway.Ticket) string {
	sum := sha256.Sum256(append([]byte("weigate/scan mark\x00"), t.Hash[:]...))
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

// newTicket returns the ticket of this round.
func (h *Handler) newTicket(r *http.Request, s *desktopFlow, now time.Time) (gateway.Ticket, error) {
	sec, err := s.secrets()
	if err != nil {
		return gateway.Ticket{}, err
	}
	number, others, err := s.numbers()
	if err != nil {
		return gateway.Ticket{}, err
	}
	session, err := h.signIn.SessionHash(sec.session)
	if err != nil {
		return gateway.Ticket{}, err
	}
	address := h.cfg.Address(r)
	data, err := json.Marshal(ticketData{
		Session: session[:], Network: h.networks.mark(address), Fresh: s.LoginRequestID.Fresh,
		Consent: s.LoginRequestID.Consent, Profile: s.LoginRequestID.Profile,
	})
	if err != nil {
		return gateway.Ticket{}, fmt.Errorf("scan: %w", err)
	}
	return gateway.Ticket{
		Hash: hashID(sec.id), Desktop: hashDesktop(sec.desktop), App: s.LoginRequestID.App,
		Connector: s.LoginRequestID.Connector,
		Browser:   readBrowser(r.UserAgent()), Place: masked(address), Number: number, Others: others,
		CreatedAt: now, ExpiresAt: now.Add(ticketLife), Data: data,
	}, nil
}
