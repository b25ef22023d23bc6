package gateway

import (
	"context"
	"time"
)

// TicketState says how far a ticket has come. It only ever moves forward.
type TicketState string

// The states of a ticket. The first three are on the way, the others are ends.
const (
	TicketOpen      TicketState = "open"         // the desktop shows its code, no phone has it
	TicketScanned   TicketState = "scanned"      // one account's phone has it, and has not answered
	TicketApproved  TicketState = "approved"     // the phone said yes; the desktop has not come for it
	TicketRedeemed  TicketState = "redeemed"     // the desktop was signed in with it
	TicketRefused   TicketState = "refused"      // the phone said no, or its account was blocked
	TicketMismatch  TicketState = "wrong_number" // the phone picked another number than the desktop's
	TicketCancelled TicketState = "cancelled"    // the desktop gave up, or renewed its code
)

// TicketPause is how long a ticket lives at least after a phone took hold of it
// and after it was approved: a person who scans in the last second must have
// the time to read, and the desktop the time to come.
const TicketMinimum = time.Minute

// Holder is the session of the phone that holds a ticket. The zero value is
// nobody.
type Approver struct {
	UserID    string // follows joining
	Connector string // the identity with which the phone is signed in
	AppID     string
	OpenID    string
	AuthTime  time.Time // when WeChat vouched for the phone's person
}

// Ticket is one sign-in of a desktop by a phone: the desktop shows its id as a
// code, the phone holds and answers it, the desktop takes it.
type Ticket struct {
	Hash      [32]byte // SHA-256 of the ticket's id, which is in the code for everybody to see
	Desktop   [32]byte // SHA-256 of the desktop's secret, which is in its cookie only; never the id's
	App       string   // the app that asks; "" = the gateway's own page
	Connector string   // the entry through which the phone must come in; "" = any
	Browser   string   // what the phone is told about the desktop, for people to read
	Place     string
	Number    string   // the number that the desktop shows
	Others    []string // the numbers that the phone shows beside it
	State     TicketState
	Approver  Approver  // zero until a phone holds it
	ScannedAt time.Time // zero until then
	CreatedAt time.Time
	ExpiresAt time.Time
	Data      []byte // the owner's own, no secret in it; nil = none
}

// Tickets keeps the sign-ins of desktops by phones. Tickets are the only rows
// that a visitor who is nobody yet can make, so there is a limit to them.
//
// A ticket that is over (its ExpiresAt is not after now) is ErrExpired, or
// ErrNotFound once it was swept, for every method and whatever its state. Each
// change of state happens once: of any number of callers at once, in any
// number of processes, one makes it. ErrConflict and ErrReplay come with the
// ticket as it is then, so that a page can say why; every other error comes
// with the zero Ticket.
//
// A join moves the tickets that the younger account holds to the older.
// Blocking an account, also by a join, refuses those that it holds or has
// approved, in the same transaction: they sign nobody in any more.
type Tickets interface {
	// PutTicket stores a new ticket, open and held by nobody, whatever its
	// State, Holder and HeldAt say. ErrFull, and nothing is stored, when limit
	// tickets are there that no account had to answer for: those that are open,
	// held or dropped and not over. A dropped one counts until its time is
	// over, or a visitor could make rows without end by dropping them. Puts at
	// the same moment do not exceed the limit together (in PostgreSQL: as long
	// as fewer than 256 are under way at once). A limit that is not positive is
	// an error, and so is a ticket without hash, desktop secret, number or
	// times, or one whose hash and desktop secret are the same. ErrConflict
	// when the hash is taken, also by a ticket that is over.
	PutTicket(ctx context.Context, t Ticket, now time.Time, limit int) error

	// Ticket returns the ticket with this hash, in whatever state.
	Ticket(ctx context.Context, hash [32]byte, now time.Time) (Ticket, error)

	// TicketStates returns the states of many tickets by one query, for all the
	// desktops that wait at a process. Tickets that are missing or over are
	// absent from the map, which is never nil without an error. No hashes is
	// no query.
	TicketStates(ctx context.Context, hashes [][32]byte, now time.Time) (map[[32]byte]TicketState, error)

	// HoldTicket binds an open ticket to the account of a phone, and gives it
	// TicketPause more when less is left. The account is resolved as by
	// Accounts.Account; ErrNotFound when there is none, ErrBlocked when it is
	// blocked, also when the block happens at the same moment. A ticket that
	// this account holds already is returned as it is, without error: people
	// scan twice. ErrConflict when another account holds it, or when it is not
	// open any more.
	ScanTicket(ctx context.Context, hash [32]byte, h Approver, now time.Time) (Ticket, error)

	// AnswerTicket ends the holding by TicketApproved, TicketRefused or
	// TicketWrong; any other answer is an error. An approved ticket gets
	// TicketPause more when less is left. accountID is resolved, so that it
	// names the holder also after a join. ErrConflict when another account
	// holds the ticket, or when it is not held (any more): an answer counts
	// once, and a second one, also the same, changes nothing, but for one:
	// TicketRefused takes an approval back until the ticket is used.
	AnswerTicket(ctx context.Context, hash [32]byte, userID string, answer TicketState, now time.Time) (Ticket, error)

	// TakeTicket uses an approved ticket, exactly once, for the desktop that
	// made it. ErrNotFound when desktop is not the hash of its secret: who only
	// saw the code learns nothing. ErrReplay when it was used before,
	// ErrConflict in every other state.
	RedeemTicket(ctx context.Context, hash, desktop [32]byte, now time.Time) (Ticket, error)

	// DropTicket gives up a ticket that is open or held, for the desktop that
	// made it. One that is dropped already is no error. ErrNotFound when
	// desktop is not the hash of its secret; ErrConflict when it was answered:
	// then the desktop goes on with the answer.
	CancelTicket(ctx context.Context, hash, desktop [32]byte, now time.Time) error
}
