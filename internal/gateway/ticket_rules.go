package gateway

import (
	"crypto/subtle"
	"errors"
	"time"
)

// Check returns an error for an incomplete ticket, which stores reject.
func (t Ticket) Check() error {
	var none [32]byte
	switch {
	case t.Hash == none || t.Desktop == none:
		return errors.New("a ticket needs the hashes of its id and of its desktop's secret")
	case t.Hash == t.Desktop:
		return errors.New("a ticket's id must not be its desktop's secret: everybody sees the id")
	case t.Number == "":
		return errors.New("a ticket needs its number")
	case t.CreatedAt.IsZero() || t.ExpiresAt.IsZero():
		return errors.New("a ticket needs its times")
	}
	return nil
}

// Anonymous reports whether an anonymous visitor can bring a ticket to state s, alone or with a
// phone that does not answer. The limit of PutTicket counts these states.
func (s TicketState) Anonymous() bool {
	return s == TicketOpen || s == TicketScanned || s == TicketCancelled
}

// Answer reports whether s is an answer of a phone.
func (s TicketState) Answer() bool {
	return s == TicketApproved || s == TicketRefused || s == TicketMismatch
}

// Opened returns t as PutTicket stores it.
func (t Ticket) Opened() Ticket {
	t.State, t.Approver, t.ScannedAt = TicketOpen, Approver{}, time.Time{}
	t.App, t.Connector = Clean(t.App), Clean(t.Connector)
	t.Browser, t.Place, t.Number = Clean(t.Browser), Clean(t.Place), Clean(t.Number)
	return t
}

// pending returns ErrExpired when t has expired at now.
func (t Ticket) pending(now time.Time) error {
	if !now.Before(t.ExpiresAt) {
		return ErrExpired
	}
	return nil
}

// Shown decides Tickets.Ticket.
func (t Ticket) Shown(now time.Time) (Ticket, error) {
	if err := t.pending(now); err != nil {
		return Ticket{}, err
	}
	return t, nil
}

// AfterScan decides Tickets.ScanTicket for a user who exists, is resolved and not blocked. It
// returns the ticket afterwards and whether to write it; t unchanged and false when the user has
// scanned it already, and with ErrConflict.
func (t Ticket) AfterScan(h Approver, now time.Time) (next Ticket, write bool, err error) {
	if err := t.pending(now); err != nil {
		return Ticket{}, false, err
	}
	switch {
	case t.State == TicketOpen:
		h.AuthTime = Micro(h.AuthTime)
		t.State, t.Approver, t.ScannedAt = TicketScanned, h, Micro(now)
		t.ExpiresAt = later(t.ExpiresAt, Micro(now.Add(TicketMinimum)))
		return t, true, nil
	case t.State == TicketScanned && t.Approver.UserID == h.UserID:
		return t, false, nil
	}
	return t, false, ErrConflict
}

// AfterAnswer decides Tickets.AnswerTicket by the resolved user. With an error nothing is written.
func (t Ticket) AfterAnswer(userID string, answer TicketState, now time.Time) (Ticket, error) {
	if err := t.pending(now); err != nil {
		return Ticket{}, err
	}
	back := t.State == TicketApproved && answer == TicketRefused
	if t.State != TicketScanned && !back || userID == "" || t.Approver.UserID != userID {
		return t, ErrConflict
	}
	t.State = answer
	if answer == TicketApproved {
		t.ExpiresAt = later(t.ExpiresAt, Micro(now.Add(TicketMinimum)))
	}
	return t, nil
}

// AfterRedeem decides Tickets.RedeemTicket. With an error nothing is written.
func (t Ticket) AfterRedeem(desktop [32]byte, now time.Time) (Ticket, error) {
	if err := t.owned(desktop, now); err != nil {
		return Ticket{}, err
	}
	switch t.State {
	case TicketApproved:
		t.State = TicketRedeemed
		return t, nil
	case TicketRedeemed:
		return t, ErrReplay
	}
	return t, ErrConflict
}

// AfterCancel decides Tickets.CancelTicket. It returns the ticket afterwards and whether to write
// it.
func (t Ticket) AfterCancel(desktop [32]byte, now time.Time) (next Ticket, write bool, err error) {
	if err := t.owned(desktop, now); err != nil {
		return Ticket{}, false, err
	}
	switch t.State {
	case TicketOpen, TicketScanned:
		t.State = TicketCancelled
		return t, true, nil
	case TicketCancelled:
		return t, false, nil
	}
	return t, false, ErrConflict
}

// owned returns nil when t is live at now and desktop is the hash of its secret. Without the secret
// the caller does not learn either whether the ticket has expired.
func (t Ticket) owned(desktop [32]byte, now time.Time) error {
	if subtle.ConstantTimeCompare(t.Desktop[:], desktop[:]) != 1 {
		return ErrNotFound
	}
	return t.pending(now)
}
