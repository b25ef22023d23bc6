package gateway_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// ticketIn is a ticket in a state, held by user a where it is held.
func ticketIn(s gateway.TicketState) gateway.Ticket {
	t := gateway.Ticket{Hash: [32]byte{1}, Desktop: [32]byte{2}, Number: "42", State: s, CreatedAt: at(0),
		ExpiresAt: at(2)}
	if s != gateway.TicketOpen {
		t.Approver.UserID = "a"
	}
	return t
}

func word(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, gateway.ErrExpired):
		return "expired"
	case errors.Is(err, gateway.ErrNotFound):
		return "not found"
	case errors.Is(err, gateway.ErrConflict):
		return "conflict"
	case errors.Is(err, gateway.ErrReplay):
		return "replay"
	}
	return err.Error()
}

// A wrong transition could sign in a desktop that no user confirmed, so every operation
// is tested in every state.
func TestTicketMoves(t *testing.T) {
	t.Parallel()
	desktop, guess := [32]byte{2}, [32]byte{1}
	moves := map[string]func(gateway.Ticket, time.Time) (gateway.Ticket, error){
		"hold by a": func(k gateway.Ticket, now time.Time) (gateway.Ticket, error) {
			n, _, err := k.AfterScan(gateway.Approver{UserID: "a"}, now)
			return n, err
		},
		"hold by b": func(k gateway.Ticket, now time.Time) (gateway.Ticket, error) {
			n, _, err := k.AfterScan(gateway.Approver{UserID: "b"}, now)
			return n, err
		},
		"answer by a": func(k gateway.Ticket, now time.Time) (gateway.Ticket, error) {
			return k.AfterAnswer("a", gateway.TicketApproved, now)
		},
		"answer by b": func(k gateway.Ticket, now time.Time) (gateway.Ticket, error) {
			return k.AfterAnswer("b", gateway.TicketApproved, now)
		},
		"refuse by a": func(k gateway.Ticket, now time.Time) (gateway.Ticket, error) {
			return k.AfterAnswer("a", gateway.TicketRefused, now)
		},
		"refuse by b": func(k gateway.Ticket, now time.Time) (gateway.Ticket, error) {
			return k.AfterAnswer("b", gateway.TicketRefused, now)
		},
		"answer by nobody": func(k gateway.Ticket, now time.Time) (gateway.Ticket, error) {
			k.Approver.UserID = ""
			return k.AfterAnswer("", gateway.TicketApproved, now)
		},
		"take":       func(k gateway.Ticket, now time.Time) (gateway.Ticket, error) { return k.AfterRedeem(desktop, now) },
		"take guess": func(k gateway.Ticket, now time.Time) (gateway.Ticket, error) { return k.AfterRedeem(guess, now) },
		"drop": func(k gateway.Ticket, now time.Time) (gateway.Ticket, error) {
			n, _, err := k.AfterCancel(desktop, now)
			return n, err
		},
		"drop guess": func(k gateway.Ticket, now time.Time) (gateway.Ticket, error) {
			n, _, err := k.AfterCancel(guess, now)
			return n, err
		},
		"show": func(k gateway.Ticket, now time.Time) (gateway.Ticket, error) { return k.AfterRead(now) },
	}
	states := []gateway.TicketState{gateway.TicketOpen, gateway.TicketScanned, gateway.TicketApproved,
		gateway.TicketRedeemed, gateway.TicketRefused, gateway.TicketMismatch, gateway.TicketCancelled}
	allowed := map[string]string{ // every other pair is a conflict that changes nothing
		"open hold by a": "ok scanned", "open hold by b": "ok scanned", "scanned hold by a": "ok scanned",
		"scanned answer by a": "ok approved",
		"scanned refuse by a": "ok refused", "approved refuse by a": "ok refused",
		"approved take": "ok redeemed", "redeemed take": "replay redeemed", "open drop": "ok cancelled",
		"scanned drop": "ok cancelled", "approved drop": "ok cancelled", "cancelled drop": "ok cancelled",
	}
	for _, s := range states {
		for name, move := range moves {
			want := fmt.Sprint("conflict ", s)
			if w, ok := allowed[fmt.Sprint(s, " ", name)]; ok {
				want = w
			}
			late := "expired "
			switch name {
			case "show":
				want = fmt.Sprint("ok ", s)
			case "take guess", "drop guess":
				want, late = "not found ", "not found "
			}
			got, err := move(ticketIn(s), at(1))
			if g := fmt.Sprint(word(err), " ", got.State); g != want {
				t.Errorf("%s, %s: got %s, want %s", s, name, g, want)
			}
			got, err = move(ticketIn(s), at(2))
			if g := fmt.Sprint(word(err), " ", got.State); g != late {
				t.Errorf("%s, %s when it is over: got %s, want %s", s, name, g, late)
			}
		}
	}
}
