package gateway

import (
	"context"
	"crypto/subtle"
	"errors"
	"time"
)

// TicketState is the state of a ticket. It only moves forward.
type TicketState string

// The states of a ticket. The first three are intermediate, the others are final.
const (
	TicketOpen      TicketState = "open"         // the desktop shows the code
	TicketScanned   TicketState = "scanned"      // a phone has scanned it and not answered
	TicketApproved  TicketState = "approved"     // the phone approved; the desktop has not redeemed it
	TicketRedeemed  TicketState = "redeemed"     // the desktop is signed in
	TicketRefused   TicketState = "refused"      // the phone refused, or its user was blocked
	TicketMismatch  TicketState = "wrong_number" // the phone chose another number than the desktop shows
	TicketCancelled TicketState = "cancelled"    // the desktop cancelled, or renewed its code
)

// TicketMinimum is the minimum remaining life of a ticket after it is scanned and after it is
// approved, so that a user who scans at the last second has time to read, and the desktop has time
// to redeem.
const TicketMinimum = time.Minute

// Approver is the signed-in user of the phone that scanned a ticket. The zero value is none.
type Approver struct {
	UserID    string // follows joining
	Connector string // connector and identity of the phone's session
	AppID     string
	OpenID    string
	AuthTime  time.Time // when WeChat authenticated the phone's user
}

// Ticket is one sign-in of a desktop by a phone: the desktop shows the id as a QR code, the phone
// scans and answers it, and the desktop redeems it.
type Ticket struct {
	Hash      [32]byte // SHA-256 of the ticket's id, which everybody can see in the code
	Desktop   [32]byte // SHA-256 of the secret in the desktop's cookie; never that of the id
	App       string   // the requesting app; "" = the gateway's own page
	Connector string   // connector that the phone must use; "" = any
	Browser   string   // description of the desktop, shown on the phone
	Place     string
	Number    string   // the number that the desktop shows
	Others    []string // the other numbers that the phone offers
	State     TicketState
	Approver  Approver  // zero until a phone has scanned it
	ScannedAt time.Time // zero until then
	CreatedAt time.Time
	ExpiresAt time.Time
	Data      []byte // owned by the caller, without secrets; nil = none
}

// Tickets stores the sign-ins of desktops by phones. Tickets are the only rows that anonymous
// visitors can create, so there is a limit.
//
// An expired ticket (ExpiresAt is not after now) is ErrExpired, or ErrNotFound once it was swept,
// for every method and in every state. Each change of state happens once: of any number of
// concurrent callers, in any number of processes, one makes it. ErrConflict and ErrReplay come with
// the ticket in its current state, so that a page can explain; every other error comes with the
// zero Ticket.
//
// Joining moves the tickets of the younger user to the older. Blocking a user, also by joining,
// refuses the tickets that the user has scanned or approved, in the same transaction.
type Tickets interface {
	// PutTicket stores a new ticket in state TicketOpen without an approver, whatever its State,
	// Approver and ScannedAt are. It returns ErrFull, and stores nothing, when limit tickets exist
	// that an anonymous visitor can create: open, scanned or cancelled, and not expired. A cancelled
	// ticket counts until it expires, otherwise a visitor could create rows without limit. Concurrent calls
	// do not exceed the limit together (in PostgreSQL: as long as fewer than 256 run at once). A
	// limit that is not positive is an error, and so is a ticket without hash, desktop secret,
	// number or times, or whose hash and desktop secret are the same. ErrConflict when the hash
	// exists already, also of an expired ticket.
	PutTicket(ctx context.Context, t Ticket, now time.Time, limit int) error

	// Ticket returns the ticket with this hash, in any state.
	Ticket(ctx context.Context, hash [32]byte, now time.Time) (Ticket, error)

	// TicketStates returns the states of many tickets by one query, for all waiting desktops of a
	// process. Missing and expired tickets are absent from the map, which is not nil unless there
	// is an error. Without hashes there is no query.
	TicketStates(ctx context.Context, hashes [][32]byte, now time.Time) (map[[32]byte]TicketState, error)

	// ScanTicket binds an open ticket to the user of a phone, and extends it to TicketMinimum when
	// less is left. The user is resolved as by Users.User; ErrNotFound when there is none,
	// ErrBlocked when the user is blocked, even when that happens at the same moment. A ticket that
	// this user has scanned already is returned unchanged, since people scan twice. ErrConflict
	// when another user has scanned it, or when it is not open.
	ScanTicket(ctx context.Context, hash [32]byte, h Approver, now time.Time) (Ticket, error)

	// AnswerTicket answers a scanned ticket by TicketApproved, TicketRefused or TicketMismatch; any
	// other answer is an error. An approved ticket is extended to TicketMinimum when less is left.
	// userID is resolved, so that it is the approver also after a join. ErrConflict when another
	// user has scanned the ticket, or when it is not in state TicketScanned: an answer counts once,
	// and a second one changes nothing, with one exception: TicketRefused withdraws an approval
	// until the ticket is redeemed.
	AnswerTicket(ctx context.Context, hash [32]byte, userID string, answer TicketState, now time.Time) (Ticket, error)

	// RedeemTicket redeems an approved ticket, exactly once, for the desktop that created it.
	// ErrNotFound when desktop is not the hash of its secret: an attacker who has seen only the
	// QR code cannot redeem it. ErrReplay when it was redeemed before, ErrConflict in every other
	// state.
	RedeemTicket(ctx context.Context, hash, desktop [32]byte, now time.Time) (Ticket, error)

	// CancelTicket cancels a ticket that is open or scanned, for the desktop that created it. A
	// ticket that is cancelled already is not an error. ErrNotFound when desktop is not the hash of its
	// secret; ErrConflict when it was answered: then the desktop continues with the answer.
	CancelTicket(ctx context.Context, hash, desktop [32]byte, now time.Time) error
}

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
