package gateway

import (
	"crypto/subtle"
	"errors"
	"time"
)

// Check says what a store refuses: a ticket that is not whole.
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

// Anonymous reports whether a visitor who is nobody can bring a ticket to state
// s by themselves or with a phone that does not answer. Those are the states
// that the limit of PutTicket counts.
func (s TicketState) Anonymous() bool {
	return s == TicketOpen || s == TicketScanned || s == TicketCancelled
}

// Answer reports whether s is what a phone may answer.
func (s TicketState) Answer() bool {
	return s == TicketApproved || s == TicketRefused || s == TicketMismatch
}

// Opened is t as PutTicket stores it.
func (t Ticket) Opened() Ticket {
	t.State, t.Approver, t.ScannedAt = TicketOpen, Approver{}, time.Time{}
	t.App, t.Connector = Clean(t.App), Clean(t.Connector)
	t.Browser, t.Place, t.Number = Clean(t.Browser), Clean(t.Place), Clean(t.Number)
	return t
}

// live is nil while t is not over at now.
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

// Held decides Tickets.HoldTicket for an account that exists, is resolved and
// not blocked: the ticket afterwards, and whether there is something to write.
// It is t as it was, with false, when the account holds it already and for
// ErrConflict.
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

// Answered decides Tickets.AnswerTicket by the resolved account. With an error
// nothing is written.
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

// Taken decides Tickets.TakeTicket. With an error nothing is written.
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

// Dropped decides Tickets.DropTicket: the ticket afterwards, and whether there
// is something to write.
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

// owned is nil when t lives at now and desktop is the hash of its secret. Who
// does not know the secret is not told whether the ticket is over, either.
func (t Ticket) owned(desktop [32]byte, now time.Time) error {
	if subtle.ConstantTimeCompare(t.Desktop[:], desktop[:]) != 1 {
		return ErrNotFound
	}
	return t.pending(now)
}
