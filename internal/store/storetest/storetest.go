// Package storetest is the conformance suite of gateway.Store. Every store runs the whole suite.
// Each case says why it matters, and the reason is logged when the case fails.
//
// A store's test calls [Run] with a [Subject]. Its TestMain calls [Worker] first, so that the suite
// can start a second process on the same database.
//
// The suite tests behaviour through the contracts of package gateway only. Schemas, migrations and
// disk failures are tested by each store's own tests.
package storetest

import (
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/gateway"
)

// Subject is the store under test.
type Subject struct {
	// New creates an empty database for one test.
	New func(t *testing.T) Database

	// SingleHandle is true for a database that has one handle only, such as a database in memory. A
	// handle is an open store. The database is gone when its handle is closed, and a second Open
	// creates another, empty database. For these stores, the cases about restarts, handles and
	// processes test only this.
	SingleHandle bool

	// Race reports that the race detector runs, so that the cases use smaller numbers.
	Race bool

	// ConcurrentOnly leaves out the cases in which one goroutine calls the store.
	ConcurrentOnly bool
}

// Database is one database.
type Database struct {
	// Open opens another handle: a store on this database. The handle is closed by the caller or at
	// the end of the test.
	Open func(t *testing.T) gateway.Store

	// Address tells a second process which database to open: Worker passes Address to its parameter
	// open.
	Address string
}

// A testCase is one case of the suite.
type testCase struct {
	name   string
	reason string // why the case matters; logged when it fails

	// concurrent is true when several goroutines or processes use the database in the case. The method
	// concurrently fails a case without it.
	concurrent bool

	run func(t *testing.T, f *fixture)
}

// Run runs the suite on the subject. In the names of the groups, a ticket is the row for one QR
// code of a sign-in by scan, a pin is the subject by which an app knows a user, and a takeover is
// an attempt to sign in as another user.
func Run(t *testing.T, subject Subject) {
	for _, group := range []struct {
		name  string
		cases []testCase
	}{
		{"users", userCases},
		{"joining", joinCases},
		{"agreements", agreementCases},
		{"takeover", takeoverCases},
		{"import", importCases},
		{"import batch", importBatchCases},
		{"subjects", subjectCases},
		{"sessions", sessionCases},
		{"attempts", attemptCases},
		{"completion", completionCases},
		{"grants", grantCases},
		{"code pins", codePinCases},
		{"refresh", refreshCases},
		{"tickets", ticketCases},
		{"ticket answers", ticketAnswerCases},
		{"ticket approvers", ticketApproverCases},
		{"ticket limit", ticketLimitCases},
		{"ticket sessions", ticketSessionCases},
		{"chat sign-ins", chatCases},
		{"saved requests", savedRequestCases},
		{"session users", sessionUserCases},
		{"keys", keyCases},
		{"ACME", acmeCases},
		{"served URL", servedURLCases},
		{"events", eventCases},
		{"cut searches", cutCases},
		{"access requests", requestCases},
		{"administration", administrationCases},
		{"unionids", unionIDCases},
		{"merging", mergeCases},
		{"administrators at once", raceCases},
		{"invitations", invitationCases},
		{"API keys", apiKeyCases},
		{"session ends", sessionEndCases},
		{"deliveries", deliveryCases},
		{"upkeep", upkeepCases},
		{"processes", processCases},
	} {
		for _, c := range group.cases {
			if subject.ConcurrentOnly && !c.concurrent {
				continue
			}
			t.Run(strings.ReplaceAll(group.name+"/"+c.name, " ", "_"), func(t *testing.T) {
				t.Parallel()
				db := subject.New(t)
				f := &fixture{t: t, Subject: subject, concurrent: c.concurrent, db: db, store: db.Open(t)}
				defer func() {
					if t.Failed() {
						t.Logf("why this matters: %s", c.reason)
					}
				}()
				c.run(t, f)
			})
		}
	}
}
