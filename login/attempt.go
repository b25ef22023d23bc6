package login

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// errStartAgain: the exchange may or may not have happened, and nobody will
// know. The code must not be sent twice, so the sign-in starts again.
var errStartAgain = errors.New("login: outcome of the exchange is unknown")

// Waiting requests look at the store after 5 ms, then at growing intervals. An
// exchange takes WeChat some 50 to 200 ms, so the first looks are the likely ones.
const (
	firstLook   = 5 * time.Millisecond
	longestLook = 250 * time.Millisecond
)

// outcome takes the claim on the flow and exchanges the code, or waits for the
// outcome of the request that has the claim, in this process or another. fresh
// says that this call did the exchange.
func (h *Handler) outcome(r *http.Request, f *flow, code, id string) (out Outcome, fresh bool, err error) {
	began := time.Now()
	owner := rand.Text()
	for pause := firstLook; ; pause = min(2*pause, longestLook) {
		now := h.cfg.Now()
		want := Attempt{
			ID: hashed("flow", f.state), Code: hashed("code", code), Owner: owner,
			Lease: now.Add(claimLease), Expires: f.deadline.Add(claimMargin),
		}
		have, won, err := h.claim(r, want, now)
		switch {
		case err != nil:
			return Outcome{}, false, fmt.Errorf("login: claim the sign-in: %w", err)
		case won:
			out, err := h.exchange(r, f, code, id, want)
			return out, true, err
		case have.Outcome.Kind == OutcomeSignedIn && have.Code != want.Code && !h.mayBringOtherCode(r, id):
			return Outcome{}, false, errStartAgain
		case have.Outcome.Kind != "":
			return have.Outcome, false, nil
		case !have.Lease.After(now) || time.Since(began) > claimLease:
			return Outcome{}, false, errStartAgain
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-r.Context().Done():
			timer.Stop()
			return Outcome{}, false, r.Context().Err()
		}
	}
}

// claim asks the store. It does not end when the visitor goes away: a claim that
// was written while its request died would keep the visitor's next one waiting.
func (h *Handler) claim(r *http.Request, want Attempt, now time.Time) (Attempt, bool, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), storeLimit)
	defer cancel()
	return h.cfg.Store.BeginAttempt(ctx, want, now)
}

// mayBringOtherCode says whether a repeat with another code than the one that
// signed in may have its session. WeChat's double call with two codes is such a
// repeat. So is this attack: plant one's own flow cookie in a victim's browser,
// let the victim sign in under it, then repeat the callback to get the victim's
// session. A "__Host-" cookie cannot be planted; where it has another name, the
// browser must have the session already, and else begins again.
func (h *Handler) mayBringOtherCode(r *http.Request, id string) bool {
	return h.cookies.hostBound() || subtle.ConstantTimeCompare([]byte(h.cookies.sessionValue(r)), []byte(id)) == 1
}

// exchange does the sign-in under a claim and writes its outcome.
//
// It does not end when the visitor goes away: WeChat calls a slow callback a
// second time and drops the first, and that second request waits for this one.
func (h *Handler) exchange(r *http.Request, f *flow, code, id string, claim Attempt) (Outcome, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), signInLimit)
	defer cancel()
	out, who, err := h.signIn(ctx, r, f, code, id)
	h.log(r, f, string(out.Kind), err, who...)

	// The store gets its own time: an outcome that is not written is a sign-in
	// that everybody must begin again.
	ctx, cancel = context.WithTimeout(context.WithoutCancel(r.Context()), storeLimit)
	defer cancel()
	out.At = h.cfg.Now()
	err = h.cfg.Store.FinishAttempt(ctx, claim.ID, claim.Owner, out, out.At)
	if err == nil {
		if out.Kind == OutcomeSignedIn {
			h.endPrevious(ctx, r, id)
		}
		return out, nil
	}
	// Nobody may use a session whose sign-in was not written down: the others
	// who wait have been told, or will be, that nothing came of it.
	if out.Kind == OutcomeSignedIn {
		if err := h.cfg.Store.DeleteSession(ctx, hashed("session", id)); err != nil {
			h.cfg.Logger.ErrorContext(ctx, "sign-in: an unfinished session could not be removed", "error", err)
		}
	}
	if errors.Is(err, ErrAttemptLost) {
		return Outcome{}, errStartAgain
	}
	return Outcome{}, fmt.Errorf("login: write the outcome: %w", err)
}

// endPrevious ends the session that this browser had before: its cookie is
// about to be replaced, and nobody could sign out of it.
func (h *Handler) endPrevious(ctx context.Context, r *http.Request, id string) {
	old := h.cookies.sessionValue(r)
	if len(old) != sessionIDLength || old == id {
		return
	}
	if err := h.cfg.Store.DeleteSession(ctx, hashed("session", old)); err != nil {
		h.cfg.Logger.ErrorContext(ctx, "sign-in: the previous session could not be ended", "error", err)
	}
}
