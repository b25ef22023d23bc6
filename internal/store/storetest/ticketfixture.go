package storetest

import (
	"strings"
	"testing"

	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// noLimit is a limit on tickets that no case reaches by accident.
const noLimit = 100000

func newTicket(id string) gateway.Ticket {
	return gateway.Ticket{
		Hash: hash("ticket " + id), Desktop: hash("desktop " + id), App: "wiki", Connector: "main", Browser: "Firefox 验",
		Place:  "上海",
		Number: "42", Others: []string{"17", "93"}, State: gateway.TicketOpen, CreatedAt: noon,
		ExpiresAt: after(2 * time.Minute), Data: []byte("data of " + id),
	}
}

// newApprover returns the session of a phone whose user signed in at noon.
func newApprover(user string) gateway.Approver {
	return gateway.Approver{UserID: user, Connector: "main", AppID: "wxmain", OpenID: "o-" + user, AuthTime: noon}
}

// addTicket stores an open ticket.
func (f *fixture) addTicket(id string) gateway.Ticket {
	f.t.Helper()
	ticket := newTicket(id)
	if err := f.store.PutTicket(f.t.Context(), ticket, noon, noLimit); err != nil {
		f.t.Fatal(err)
	}
	return ticket
}

// addScannedTicket stores a ticket that the user has scanned.
func (f *fixture) addScannedTicket(id, user string) gateway.Ticket {
	f.t.Helper()
	return f.scanTicket(f.addTicket(id).Hash, newApprover(user), noon)
}

// addApprovedTicket stores a ticket that the user has approved.
func (f *fixture) addApprovedTicket(id, user string) gateway.Ticket {
	f.t.Helper()
	return f.answerTicket(f.addScannedTicket(id, user).Hash, user, gateway.TicketApproved, noon)
}

// wantTicketState fails the test unless the ticket has the state at noon.
func (f *fixture) wantTicketState(ticket gateway.Ticket, want gateway.TicketState) {
	f.t.Helper()
	wantEqual(f.t, "state", f.getTicket(ticket.Hash, noon).State, want)
}

// wantNoOpenID fails the test when the error has the openid of a test.
func wantNoOpenID(t *testing.T, err error) {
	t.Helper()
	if strings.Contains(err.Error(), "planted") {
		t.Fatalf("the error %q has the openid", err)
	}
}
