package admission_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/access"
	"github.com/weigate/weigate/internal/admission"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
)

// fits are the facts of a browser whose session fits, and whose user the app knows and accepts.
func fits() admission.Facts {
	return admission.Facts{SignedIn: true, MethodAllowed: true, Access: access.Allowed, Subject: admission.SubjectKnown}
}

type facts = admission.Facts

func deny(page web.Kind) admission.Next { return admission.Next{Step: admission.Deny, Page: page} }

func interaction(page web.Kind) admission.Next {
	return admission.Next{Step: admission.InteractionRequired, Page: page}
}

func step(s admission.Step) admission.Next { return admission.Next{Step: s} }

var (
	confirm = admission.Next{Step: admission.Confirm, Page: web.ConfirmSignIn}
	wait    = admission.Next{Step: admission.Wait, Page: web.Waiting}
)

// decisions has a row for each rule, with its reason: what differs from the facts of fits, and the
// decision.
var decisions = []struct {
	reason string
	change func(*facts)
	want   admission.Next
}{
	{"everything fits", func(*facts) {}, step(admission.Admit)},

	{"nobody is signed in", func(f *facts) { f.SignedIn = false }, step(admission.SignIn)},
	{"nobody is signed in, and the app wants the user asked",
		func(f *facts) { f.SignedIn, f.Reauthenticate = false, true },
		step(admission.Reauthenticate)},
	{"nobody is signed in, and a session of a phone could be too old",
		func(f *facts) { f.SignedIn, f.LimitsAge = false, true },
		step(admission.Reauthenticate)},
	{"nobody is signed in, and no page may be shown", func(f *facts) { f.SignedIn, f.NoPages = false, true },
		step(admission.LoginRequired)},
	{"a sign-in that did not hold is not repeated without end",
		func(f *facts) { f.SignedIn, f.Returned = false, true },
		deny(web.NotSignedIn)},
	{"the user cancelled, whoever is signed in", func(f *facts) { f.Cancelled = true }, step(admission.Cancelled)},

	{"the documents have changed: nothing of the user is used before they agree",
		func(f *facts) {
			f.MustAgree, f.Access, f.Subject = true, access.Undecided, admission.SubjectNotLookedUp
		},
		step(admission.AskAgreement)},
	{"the documents have changed, and no page may be shown", func(f *facts) { f.MustAgree, f.NoPages = true, true },
		interaction(web.AgreementChanged)},
	{"another sign-in asks for the agreement too",
		func(f *facts) { f.MustAgree, f.LimitsAge, f.TooOld = true, true, true },
		step(admission.Reauthenticate)},
	{"whoever cancelled is not asked", func(f *facts) { f.MustAgree, f.Cancelled = true, true },
		step(admission.Cancelled)},

	{"the app wants the user asked: a sign-in without warning would surprise, and WeChat answers it with a snapshot page",
		func(f *facts) { f.Reauthenticate = true }, confirm},
	{"the user has confirmed", func(f *facts) { f.Reauthenticate, f.Confirmed = true, true },
		step(admission.Reauthenticate)},
	{"the user has just been asked", func(f *facts) { f.Reauthenticate, f.Answered, f.Returned = true, true, true },
		step(admission.Admit)},
	{"the sign-in was for another request", func(f *facts) { f.Reauthenticate, f.Returned = true, true }, confirm},
	{"the authentication is too old", func(f *facts) { f.LimitsAge, f.TooOld = true, true },
		step(admission.Reauthenticate)},
	{"an answer is never too old: max_age=0 could not be satisfied",
		func(f *facts) { f.LimitsAge, f.TooOld, f.Answered = true, true, true },
		step(admission.Admit)},
	{"the authentication is too old, and no page may be shown",
		func(f *facts) { f.LimitsAge, f.TooOld, f.NoPages = true, true, true },
		step(admission.LoginRequired)},

	{"the app does not accept the method: the user learns why before they sign in again",
		func(f *facts) { f.MethodAllowed = false },
		deny(web.WrongMethod)},
	{"and then signs in again", func(f *facts) { f.MethodAllowed, f.Confirmed = false, true },
		step(admission.Reauthenticate)},
	{"by the same method once more: no circle", func(f *facts) {
		f.MethodAllowed, f.Confirmed, f.Answered = false,
			true, true
	},
		deny(web.WrongMethod)},
	{"the method comes before the confirmation, or the user would confirm in vain",
		func(f *facts) { f.MethodAllowed, f.Reauthenticate = false, true }, deny(web.WrongMethod)},
	{"the app does not accept the method, and no page may be shown",
		func(f *facts) { f.MethodAllowed, f.NoPages = false, true },
		step(admission.LoginRequired)},

	{"access costs a look into the store: only for a session that fits",
		func(f *facts) { f.Access = access.Undecided },
		step(admission.LookUpAccess)},
	{"the policy denies", func(f *facts) { f.Access = access.Denied }, deny(web.Refused)},
	{"a decision that nobody knows denies", func(f *facts) { f.Access = 99 }, deny(web.Refused)},
	{"an administrator has to approve", func(f *facts) { f.Access = access.Pending }, wait},
	{"no page may be shown to a user who waits", func(f *facts) { f.Access, f.NoPages = access.Pending, true },
		interaction(web.Waiting)},
	{"no page may be shown to a user who is denied", func(f *facts) { f.Access, f.NoPages = access.Denied, true },
		interaction(web.Refused)},
	{"a user who is denied is not looked up further", func(f *facts) {
		f.Access, f.Subject = access.Denied,
			admission.SubjectNotLookedUp
	},
		deny(web.Refused)},

	{"the subject costs a look into the store: only for a user with access",
		func(f *facts) { f.Subject = admission.SubjectNotLookedUp },
		step(admission.LookUpSubject)},
	{"the user has not used the connector by whose openids the app knows users: sign-in leads there",
		func(f *facts) { f.Subject = admission.SubjectNoOpenID }, step(admission.Reauthenticate)},
	{"sign-in led there, and did not help", func(f *facts) {
		f.Subject, f.Returned = admission.SubjectNoOpenID,
			true
	},
		deny(web.NoOpenID)},
	{"no openid, and no page may be shown", func(f *facts) {
		f.Subject, f.NoPages = admission.SubjectNoOpenID,
			true
	},
		interaction(web.NoOpenID)},
	{"WeChat sent no unionid", func(f *facts) { f.Subject = admission.SubjectNoUnionID }, deny(web.NoUnionID)},
	{"the app knows another user by this id", func(f *facts) { f.Subject = admission.SubjectTaken },
		deny(web.SubjectTaken)},
	{"the user was deleted meanwhile", func(f *facts) { f.Subject = admission.SubjectGone }, deny(web.NotSignedIn)},
	{"another user than the app expects", func(f *facts) { f.Subject = admission.SubjectOther }, confirm},
	{"who has confirmed", func(f *facts) { f.Subject, f.Confirmed = admission.SubjectOther, true },
		step(admission.Reauthenticate)},
	{"who has signed in again as the other user", func(f *facts) {
		f.Subject, f.Answered = admission.SubjectOther,
			true
	},
		step(admission.LoginRequired)},
	{"another user than the app expects, and no page may be shown",
		func(f *facts) { f.Subject, f.NoPages = admission.SubjectOther, true },
		step(admission.LoginRequired)},

	{"the app wants a profile: asked last, from users who get in", func(f *facts) { f.WantsProfile = true },
		step(admission.AskProfile)},
	{"a profile is not asked for where no page may be shown",
		func(f *facts) { f.WantsProfile, f.NoPages = true, true },
		step(admission.Admit)},
	{"nor from a user who is denied", func(f *facts) { f.WantsProfile, f.Subject = true, admission.SubjectTaken },
		deny(web.SubjectTaken)},
}

func TestDecide(t *testing.T) {
	t.Parallel()
	for _, k := range decisions {
		f := fits()
		k.change(&f)
		if got := admission.Decide(f); got != k.want {
			t.Errorf("%s: %+v, want %+v", k.reason, got, k.want)
		}
	}
}

// Whatever the facts are: with NoPages no step shows a page or sends the browser away, and no step
// but a lookup admits a user without access.
func TestDecideForAllFacts(t *testing.T) {
	t.Parallel()
	for n := range 1 << 11 {
		bit := func(i int) bool { return n>>i&1 == 1 }
		for decision := access.Undecided; decision <= access.Allowed; decision++ {
			for subject := admission.SubjectNotLookedUp; subject <= admission.SubjectGone; subject++ {
				f := admission.Facts{
					SignedIn: bit(0), Answered: bit(1), MethodAllowed: bit(2), TooOld: bit(3), Returned: bit(4),
					Confirmed: bit(5), Cancelled: bit(6),
					Reauthenticate: bit(7), LimitsAge: bit(8), NoPages: bit(9), WantsProfile: bit(10), Access: decision,
					Subject: subject,
				}
				got := admission.Decide(f)
				switch got.Step {
				case admission.SignIn, admission.Reauthenticate, admission.Confirm, admission.Wait,
					admission.AskProfile, admission.Deny:
					if f.NoPages {
						t.Fatalf("%+v: %+v needs a page", f, got)
					}
				}
				switch got.Step {
				case admission.Admit, admission.AskProfile:
					if !f.SignedIn || !f.MethodAllowed || f.Access != access.Allowed ||
						f.Subject != admission.SubjectKnown || f.Cancelled ||
						!f.Answered && (f.TooOld || f.Reauthenticate) {
						t.Fatalf("%+v: admitted", f)
					}
				case admission.SignIn, admission.Reauthenticate:
					if f.Answered && f.SignedIn && f.Returned {
						t.Fatalf("%+v: sent to sign in although the session answers the request: a circle", f)
					}
				case admission.Confirm, admission.Wait, admission.Deny, admission.InteractionRequired:
					if got.Page.Status() == 0 {
						t.Fatalf("%+v: %+v has no page", f, got)
					}
				}
			}
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	down := errors.New("the store is unavailable")
	for _, k := range []struct {
		name     string
		decision access.Decision
		err      error
		subject  admission.Subject
		subErr   error
		want     admission.Next
		wantErr  error
		lookups  string
	}{
		{"admitted", access.Allowed, nil, admission.SubjectKnown, nil, admission.Next{Step: admission.Admit}, nil,
			"access subject"},
		{"denied", access.Denied, nil, 0, nil, admission.Next{Step: admission.Deny, Page: web.Refused}, nil, "access"},
		{"no decision is a denial", access.Undecided, nil, 0, nil,
			admission.Next{Step: admission.Deny, Page: web.Refused}, nil, "access"},
		{"the policy fails", access.Allowed, down, 0, nil, admission.Next{}, down, "access"},
		{"the subject fails", access.Allowed, nil, 0, down, admission.Next{}, down, "access subject"},
	} {
		var lookups []string
		got, err := admission.Check(admission.Facts{SignedIn: true, MethodAllowed: true}, admission.Lookups{
			Access: func() (access.Decision, error) {
				lookups = append(lookups, "access")
				return k.decision, k.err
			},
			Subject: func() (admission.Subject, error) {
				lookups = append(lookups, "subject")
				return k.subject, k.subErr
			},
		})
		if got != k.want || !errors.Is(err, k.wantErr) || strings.Join(lookups, " ") != k.lookups {
			t.Errorf("%s: %+v, %v after %v; want %+v, %v after %s", k.name, got, err, lookups, k.want, k.wantErr,
				k.lookups)
		}
	}
	_, err := admission.Check(admission.Facts{SignedIn: true, MethodAllowed: true, Access: access.Allowed},
		admission.Lookups{
			Subject: func() (admission.Subject, error) { return admission.SubjectNotLookedUp, nil },
		})
	if err == nil {
		t.Error("a lookup without a result is repeated without end, or admits")
	}
}

func TestSubjectOf(t *testing.T) {
	t.Parallel()
	for _, k := range []struct {
		err  error
		want admission.Subject
	}{
		{nil, admission.SubjectKnown}, {access.ErrNoOpenID, admission.SubjectNoOpenID},
		{access.ErrNoUnionID, admission.SubjectNoUnionID},
		{fmt.Errorf("pin: %w", gateway.ErrConflict), admission.SubjectTaken},
		{gateway.ErrNotFound, admission.SubjectGone},
	} {
		if got, err := admission.SubjectOf(k.err); got != k.want || err != nil {
			t.Errorf("%v: %v, %v", k.err, got, err)
		}
	}
	if got, err := admission.SubjectOf(gateway.ErrUnavailable); got != admission.SubjectNotLookedUp ||
		!errors.Is(err, gateway.ErrUnavailable) {
		t.Errorf("unavailable: %v, %v", got, err)
	}
}

func TestAnswered(t *testing.T) {
	t.Parallel()
	const request = "/oauth2/authorize?client_id=notes&prompt=login"
	now := time.Unix(1_800_000_000, 0)
	id := admission.NewLoginRequestID(request)
	if other := admission.NewLoginRequestID(request); other == id {
		t.Fatal("two login requests have one id")
	}
	for _, k := range []struct {
		name        string
		request, id string
		session     session.Browser
		want        bool
	}{
		{"the answer", request, id, session.Browser{LoginRequestID: id, Session: gateway.Session{AuthTime: now}}, true},
		{"ten minutes later", request, id, session.Browser{LoginRequestID: id,
			Session: gateway.Session{AuthTime: now.Add(-10 * time.Minute)}}, false},
		{"another request", request + "&max_age=1", id, session.Browser{LoginRequestID: id,
			Session: gateway.Session{AuthTime: now}}, false},
		{"another sign-in", request, id, session.Browser{LoginRequestID: admission.NewLoginRequestID(request),
			Session: gateway.Session{AuthTime: now}}, false},
		{"no id in either", request, "", session.Browser{Session: gateway.Session{AuthTime: now}}, false},
		{"the hash alone", request, id[26:], session.Browser{LoginRequestID: id[26:],
			Session: gateway.Session{AuthTime: now}}, false},
	} {
		var f admission.Facts
		f.SetSession(k.session, gateway.App{}, k.request, k.id, now)
		if f.Answered != k.want || !f.SignedIn {
			t.Errorf("%s: %+v", k.name, f)
		}
	}
}

func TestMethodAllowed(t *testing.T) {
	t.Parallel()
	if !admission.MethodAllowed(gateway.App{}, "scan") ||
		!admission.MethodAllowed(gateway.App{Methods: []string{"wechat", "scan"}}, "scan") ||
		admission.MethodAllowed(gateway.App{Methods: []string{"wechat"}}, "scan") {
		t.Error("an app accepts every method, or those that it names")
	}
}

// TestNoAppAcceptsASessionOfALink checks that the one-time link of an administrator opens no app,
// whatever methods its configuration lists (pocket-id/pocket-id GHSA-hp74-gm6m-2qm5).
func TestNoAppAcceptsASessionOfALink(t *testing.T) {
	t.Parallel()
	for _, methods := range [][]string{nil, {gateway.MethodWeChat}, {gateway.MethodLink}} {
		if admission.MethodAllowed(gateway.App{Methods: methods}, gateway.MethodLink) {
			t.Errorf("an app with the methods %v accepts a link", methods)
		}
	}
}
