package gateway

import (
	"context"
	"crypto/subtle"
	"errors"
	"time"
)

// TicketState is the state of a ticket. It only moves forward.
type TicketState string

// The states of a ticket. A ticket is open, then perhaps opened, then scanned, approved and
// redeemed. All states after TicketApproved are final.
const (
	TicketOpen      TicketState = "open"         // the desktop shows the QR code
	TicketOpened    TicketState = "opened"       // a user sees the request on a phone, and has not continued
	TicketScanned   TicketState = "scanned"      // a user has continued on a phone and not answered
	TicketApproved  TicketState = "approved"     // the phone approved; the desktop has not redeemed it
	TicketRedeemed  TicketState = "redeemed"     // the desktop is signed in
	TicketRefused   TicketState = "refused"      // the phone refused, or its user was blocked
	TicketMismatch  TicketState = "wrong_number" // the number typed on the phone is not the desktop's
	TicketCancelled TicketState = "cancelled"    // the desktop gave it up, or requested a new QR code
)

// TicketMinimum is the minimum remaining life of a ticket after a scan and after an approval. After
// a scan, the user needs time to read. After an approval, the desktop needs time to redeem.
const TicketMinimum = time.Minute

// TicketOpenedMinimum is the minimum remaining life of a ticket after a phone has opened it. The
// user may have to sign in at WeChat first, and reads WeChat's pages.
const TicketOpenedMinimum = 3 * time.Minute

// Approver is the signed-in user of the phone that scanned a ticket. The zero value means that no
// phone has scanned it.
type Approver struct {
	UserID    string // when the user is joined into an older one, the store sets the older id
	Connector string // connector and identity of the phone's session
	AppID     string
	OpenID    string
	AuthTime  time.Time // when WeChat authenticated the phone's user
}

// Ticket is one sign-in on a desktop with a QR code and a phone. The desktop shows the ticket's id
// as a QR code. The phone, whose user is signed in, scans it and answers: the user types the number
// that the desktop shows, or refuses. Then the desktop redeems the ticket and is signed in as that
// user. The number protects against an attacker who sends somebody the QR code of the attacker's
// desktop: the phone's user does not see the number there.
type Ticket struct {
	Hash      [32]byte // SHA-256 of the ticket's id, which everybody can read in the QR code
	Desktop   [32]byte // SHA-256 of the secret in the desktop's cookie; redeeming the ticket requires it
	App       string   // the requesting app; "" = the gateway's own page
	Connector string   // connector that the phone must use; "" = any
	Browser   string   // name of the desktop's browser, shown on the phone
	MaskedIP  string   // IP address of the desktop without its last part, shown on the phone; "" = unknown
	Network   string   // keyed hash of the desktop's network, for TicketLimits; "" = unknown
	Number    string   // the number that the desktop shows
	State     TicketState
	Approver  Approver  // zero until a phone has scanned the ticket
	ScannedAt time.Time // zero until a phone has scanned the ticket
	CreatedAt time.Time
	ExpiresAt time.Time
	Data      []byte // owned by the caller, without secrets; nil = none
}

// TicketLimits limit the number of tickets, because visitors who are not signed in can create them.
// A ticket above a limit replaces older tickets. So a flood of tickets does not prevent other users
// from signing in.
type TicketLimits struct {
	// Total is the maximum number of tickets in all networks, in the states that count (see
	// TicketState.CountsForLimit). When it is reached, the networks with the most tickets lose
	// their oldest tickets.
	Total int

	// PerNetwork is the maximum number of open, opened and cancelled tickets with one Ticket.Network.
	// When it is reached, the oldest of these tickets are deleted.
	PerNetwork int
}

// KeepOfNetwork returns how many tickets of a network remain when it has reached its limit. Several
// tickets are deleted at once. Otherwise each ticket of a flood would cause a deletion.
func (l TicketLimits) KeepOfNetwork() int { return l.PerNetwork - max(1, l.PerNetwork/8) }

// Counts reports whether a store checks the total before it stores t. It checks a small total for
// every ticket, and a large total for one ticket in sixteen. Hashes are random, so nobody can
// choose which tickets are checked.
func (l TicketLimits) Counts(t Ticket) bool { return l.Total < 4096 || t.Hash[0]%16 == 0 }

// Excess returns how many tickets are deleted when the total is reached.
func (l TicketLimits) Excess() int { return max(1, l.Total/64) }

// Redemption is the sign-in of a desktop by an approved ticket.
type Redemption struct {
	Hash    [32]byte // of the ticket
	Desktop [32]byte // must equal Ticket.Desktop
	Session Session  // is stored; UserID is ignored: the user is the ticket's approver
	Event   Event    // is stored with the session; UserID is ignored too
	Now     time.Time
}

// Tickets stores tickets. Visitors who are not signed in can create them, so their number is
// limited.
//
// For an expired ticket (ExpiresAt is not after now), every method returns ErrExpired, or
// ErrNotFound once a sweep has deleted the ticket. Each change of state happens once: of any number
// of concurrent callers, in any number of processes, one makes it. With ErrConflict and ErrReplay,
// methods return the ticket in its current state, so that a page can explain the error. With every
// other error, they return the zero Ticket.
//
// When users are joined, the tickets of the younger user move to the older. When a user becomes
// blocked, also by a join, the tickets that the user has scanned or approved become refused in the
// same transaction.
type Tickets interface {
	// PutTicket stores a new ticket in state TicketOpen without an approver. It ignores t.State,
	// t.Approver and t.ScannedAt. When a limit is reached, PutTicket deletes older tickets as
	// TicketLimits describes, but no ticket in state TicketScanned. ErrFull when the total is
	// reached and all these tickets are scanned. ErrConflict when a ticket with this hash exists
	// already, expired or not. An invalid limit or ticket (see their Check methods) is an error.
	//
	// Concurrent calls together do not exceed the total, except for a few tickets when the total is
	// large (see TicketLimits.Counts). The store for PostgreSQL guarantees this for fewer than 256
	// calls at once: while there are far fewer tickets than the total, it counts without a lock.
	// Concurrent calls can exceed the limit of a network by their number.
	PutTicket(ctx context.Context, t Ticket, now time.Time, limits TicketLimits) error

	// Ticket returns the ticket with this hash, in any state.
	Ticket(ctx context.Context, hash [32]byte, now time.Time) (Ticket, error)

	// TicketStates returns the states of many tickets by one query. A process calls it for all its
	// desktops that wait for an answer. Missing and expired tickets are absent from the map.
	// Without an error the map is not nil. Without hashes nothing is queried.
	TicketStates(ctx context.Context, hashes [][32]byte, now time.Time) (map[[32]byte]TicketState, error)

	// OpenTicket moves an open ticket to TicketOpened, and extends it to TicketOpenedMinimum when less
	// is left. In every other state it changes nothing, and is not an error. So a ticket is extended
	// once, however often its QR code is opened.
	OpenTicket(ctx context.Context, hash [32]byte, now time.Time) error

	// ScanTicket makes the user of a phone the approver of an open or opened ticket, and extends it
	// to TicketMinimum when less is left. The user id is resolved as by Users.User: the id of a user
	// who was joined into an older user becomes the older id. ErrNotFound if the user does not exist,
	// ErrBlocked when the user is blocked, also by a concurrent call. A ticket that this user has
	// scanned already is returned unchanged, because users sometimes scan twice. ErrConflict when
	// another user has scanned it, or when it is neither open nor opened.
	ScanTicket(ctx context.Context, hash [32]byte, a Approver, now time.Time) (Ticket, error)

	// AnswerTicket moves a scanned ticket to the state answer: TicketApproved, TicketRefused or
	// TicketMismatch; any other answer is an error. It extends an approved ticket to TicketMinimum
	// when less is left. userID is resolved as by Users.User. ErrConflict when another user has
	// scanned the ticket, or when it is not in state TicketScanned: only the first answer counts.
	// There is one exception: TicketRefused withdraws an approval until the ticket is redeemed.
	AnswerTicket(ctx context.Context, hash [32]byte, userID string, answer TicketState, now time.Time) (Ticket, error)

	// ApprovedTickets returns the tickets that the user has approved and no desktop has redeemed
	// yet. userID is resolved as by Users.User; an unknown user has none.
	ApprovedTickets(ctx context.Context, userID string, now time.Time) ([]Ticket, error)

	// RedeemTicket redeems an approved ticket, exactly once, for the desktop that created it. It
	// stores the session and the event in the same transaction. So a redeemed ticket has exactly
	// one session: a repeated request does not store a second session. ErrNotFound when r.Desktop
	// differs from Ticket.Desktop: an attacker who has seen only the QR code cannot redeem the
	// ticket. ErrReplay when it was redeemed before, ErrConflict in every other state. ErrBlocked
	// when the approver is blocked.
	RedeemTicket(ctx context.Context, r Redemption) (Ticket, error)

	// CancelTicket cancels a ticket that is open, opened, scanned or approved, for the desktop that
	// created it. A ticket that is cancelled already is not an error. ErrNotFound when desktop differs
	// from Ticket.Desktop; ErrConflict when the phone has refused, or the ticket was redeemed.
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

// CountsForLimit reports whether a ticket in state s counts for TicketLimits.Total. A ticket counts
// until a phone has answered, because visitors can create tickets without an answer. A cancelled
// ticket counts until it expires. Otherwise a visitor could create and cancel tickets without
// limit.
func (s TicketState) CountsForLimit() bool {
	return s == TicketOpen || s == TicketOpened || s == TicketScanned || s == TicketCancelled
}

// IsAnswer reports whether s is one of the three answers of a phone.
func (s TicketState) IsAnswer() bool {
	return s == TicketApproved || s == TicketRefused || s == TicketMismatch
}

// Initial returns t as PutTicket stores it.
func (t Ticket) Initial() Ticket {
	t.State, t.Approver, t.ScannedAt = TicketOpen, Approver{}, time.Time{}
	t.App, t.Connector = CleanText(t.App), CleanText(t.Connector)
	t.Browser, t.MaskedIP, t.Number = CleanText(t.Browser), CleanText(t.MaskedIP), CleanText(t.Number)
	t.Network = CleanText(t.Network)
	return t
}

// Check returns an error for limits that are not positive.
func (l TicketLimits) Check() error {
	if l.Total <= 0 || l.PerNetwork <= 0 {
		return errors.New("a ticket needs limits of how many there may be")
	}
	return nil
}

// CheckExpiry returns ErrExpired when t has expired at now.
func (t Ticket) CheckExpiry(now time.Time) error {
	if !now.Before(t.ExpiresAt) {
		return ErrExpired
	}
	return nil
}

// AfterRead decides the result of Tickets.Ticket.
func (t Ticket) AfterRead(now time.Time) (Ticket, error) {
	if err := t.CheckExpiry(now); err != nil {
		return Ticket{}, err
	}
	return t, nil
}

// AfterOpen decides the result of Tickets.OpenTicket. write reports whether the store must store
// the ticket next.
func (t Ticket) AfterOpen(now time.Time) (next Ticket, write bool, err error) {
	if err := t.CheckExpiry(now); err != nil {
		return Ticket{}, false, err
	}
	if t.State != TicketOpen {
		return t, false, nil
	}
	t.State = TicketOpened
	t.ExpiresAt = later(t.ExpiresAt, StoredTime(now.Add(TicketOpenedMinimum)))
	return t, true, nil
}

// AfterScan decides the result of Tickets.ScanTicket. The caller has resolved a.UserID and found
// the user not blocked. AfterScan truncates times by StoredTime, so that the caller gets the ticket
// as it is stored. write reports whether the store must store the ticket next. It is false when
// this user has scanned the ticket already, and with an error.
func (t Ticket) AfterScan(a Approver, now time.Time) (next Ticket, write bool, err error) {
	if err := t.CheckExpiry(now); err != nil {
		return Ticket{}, false, err
	}
	switch {
	case t.State == TicketOpen || t.State == TicketOpened:
		a.AuthTime = StoredTime(a.AuthTime)
		t.State, t.Approver, t.ScannedAt = TicketScanned, a, StoredTime(now)
		t.ExpiresAt = later(t.ExpiresAt, StoredTime(now.Add(TicketMinimum)))
		return t, true, nil
	case t.State == TicketScanned && t.Approver.UserID == a.UserID:
		return t, false, nil
	}
	return t, false, ErrConflict
}

// AfterAnswer decides the result of Tickets.AnswerTicket. The caller has resolved userID. With an
// error the store writes nothing.
func (t Ticket) AfterAnswer(userID string, answer TicketState, now time.Time) (Ticket, error) {
	if err := t.CheckExpiry(now); err != nil {
		return Ticket{}, err
	}
	withdrawn := t.State == TicketApproved && answer == TicketRefused
	if t.State != TicketScanned && !withdrawn {
		return t, ErrConflict
	}
	if userID == "" || t.Approver.UserID != userID {
		return t, ErrConflict
	}
	t.State = answer
	if answer == TicketApproved {
		t.ExpiresAt = later(t.ExpiresAt, StoredTime(now.Add(TicketMinimum)))
	}
	return t, nil
}

// AfterRedeem decides the result of Tickets.RedeemTicket. With an error the store writes nothing.
func (t Ticket) AfterRedeem(desktop [32]byte, now time.Time) (Ticket, error) {
	if err := t.checkDesktop(desktop, now); err != nil {
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

// AfterCancel decides the result of Tickets.CancelTicket. write reports whether the store must
// store the ticket next.
func (t Ticket) AfterCancel(desktop [32]byte, now time.Time) (next Ticket, write bool, err error) {
	if err := t.checkDesktop(desktop, now); err != nil {
		return Ticket{}, false, err
	}
	switch t.State {
	case TicketOpen, TicketOpened, TicketScanned, TicketApproved:
		t.State = TicketCancelled
		return t, true, nil
	case TicketCancelled:
		return t, false, nil
	}
	return t, false, ErrConflict
}

// checkDesktop returns nil when desktop is the hash of the desktop's secret and t has not expired.
// A caller without the secret gets ErrNotFound in any case, and does not learn whether t has
// expired.
func (t Ticket) checkDesktop(desktop [32]byte, now time.Time) error {
	if subtle.ConstantTimeCompare(t.Desktop[:], desktop[:]) != 1 {
		return ErrNotFound
	}
	return t.CheckExpiry(now)
}
