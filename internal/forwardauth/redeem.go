package forwardauth

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/weigate/weigate/internal/admission"
	"github.com/weigate/weigate/internal/gateway"
)

// This file redeems the tokens of handoffs. A handoff transfers a session from the gateway to a
// site. A site is one host of an app that forward auth protects. The store keeps the token of a
// handoff as a code.

// redeemOnce redeems the token of a handoff, and returns the id of the grant of the host session.
// Its error matches gateway.ErrNotFound in these cases: the token is invalid or expired, it was
// made for another host or browser, or the user may not use the site any more. nonce is the random
// value in a cookie that identifies the browser.
//
// WeChat's browser may send a request twice at the same time. An attempt is a record in the store
// that only one of these requests can create, in all processes. That request redeems the token. The
// other request waits for the result, and returns the id of the same grant. Both responses set the
// same session cookie, because its value is derived from the grant.
func (h *Handler) redeemOnce(ctx context.Context, s *site, nonce, token string) (grant string, err error) {
	hash := sha256.Sum256([]byte(token))
	code, err := h.code(ctx, s, nonce, hash)
	if err != nil {
		return "", err
	}
	now := h.cfg.Now()
	if code.RedeemedAt.IsZero() {
		name := base64.RawURLEncoding.EncodeToString(hash[:])
		_, begun, err := h.cfg.Attempts.BeginAttempt(ctx, gateway.Attempt{
			Key: "handoff " + name, Code: name, Owner: newSecret(), Lease: now.Add(attemptLease),
			Expires: now.Add(handoffLifetime + repeatLifetime),
		}, now)
		switch {
		case err != nil:
			return "", err
		case begun:
			if err := h.checkGrant(ctx, s, code.Grant); err != nil {
				return "", err
			}
			return h.redeem(ctx, s, code, now)
		}
		if code, err = h.awaitRedemption(ctx, s, nonce, hash); err != nil {
			return "", err
		}
	}
	if !code.Grant.Live(now) || now.Sub(code.RedeemedAt) > repeatLifetime {
		return "", gateway.ErrExpired
	}
	return code.Grant.ID, nil
}

// errDenied is the error for a user who may not use the site any more.
var errDenied = fmt.Errorf("%w: the user may not use the site any more", gateway.ErrNotFound)

// checkGrant returns errDenied when the user of a handoff may not use the site any more: an
// administrator may have changed that since the token was made.
func (h *Handler) checkGrant(ctx context.Context, s *site, grant gateway.Grant) error {
	user, err := h.cfg.Users.User(ctx, grant.UserID)
	if err != nil {
		return err
	}
	denied, err := admission.CheckGrant(ctx, h.cfg.Access, s.app.App, grant, user)
	if err == nil && denied != "" {
		err = errDenied
	}
	return err
}

// spend revokes a token that does not fit the nonce of this browser. The token may come from an
// attack: an attacker makes the user open an address of serveHandoff with the challenge of the
// attacker's nonce, which is its hash. The token then fits the attacker's nonce. If the attacker
// got this token, the attacker could redeem it as the user. A token that was redeemed before is not
// revoked: its grant is the session of another request.
func (h *Handler) spend(ctx context.Context, token string) error {
	code, err := h.cfg.Grants.Code(ctx, sha256.Sum256([]byte(token)))
	isHandoff := len(code.Grant.Scopes) == 0 // the codes of other protocols have scopes
	switch {
	case errors.Is(err, gateway.ErrNotFound):
		return nil
	case err != nil || !isHandoff || !code.RedeemedAt.IsZero():
		return err
	}
	_, err = h.cfg.Grants.Revoke(ctx, gateway.Revocation{Grant: code.Grant.ID}, h.cfg.Now())
	return err
}

// code returns the code with this hash. It returns gateway.ErrNotFound if the code was made for
// another host, or for another browser than the one with this nonce.
func (h *Handler) code(ctx context.Context, s *site, nonce string, hash [32]byte) (gateway.Code, error) {
	code, err := h.cfg.Grants.Code(ctx, hash)
	if err != nil {
		return code, err
	}
	if code.Grant.App != s.app.ID || code.RedirectURI != s.origin ||
		!hmac.Equal([]byte(code.Challenge), []byte(challenge(nonce))) {
		return code, gateway.ErrNotFound
	}
	return code, nil
}

// redeem redeems the code. The host session ends when the gateway's session ends, and after
// Config.SessionMax at the latest.
func (h *Handler) redeem(ctx context.Context, s *site, code gateway.Code, now time.Time) (string, error) {
	end := now.Add(h.cfg.SessionMax)
	grant, err := h.cfg.Grants.Redeem(ctx, code.Hash, now, gateway.TokenIssue{
		Access: gateway.Token{Hash: sha256.Sum256([]byte(h.hostToken(s, code.Grant.ID))), CreatedAt: now,
			ExpiresAt: end}, GrantExpires: end,
	})
	if errors.Is(err, gateway.ErrReplay) {
		// Another request has redeemed the code too. This is rare: the store must have dropped the
		// attempt in between. The store has revoked the grant, and the user signs in again.
		err = gateway.ErrExpired
	}
	return grant.ID, err
}

// awaitRedemption waits until the request that began the attempt has redeemed the code.
func (h *Handler) awaitRedemption(ctx context.Context, s *site, nonce string, hash [32]byte) (gateway.Code, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptLease)
	defer cancel()
	tick := time.NewTicker(attemptPoll)
	defer tick.Stop()
	for {
		code, err := h.code(ctx, s, nonce, hash)
		if err != nil || !code.RedeemedAt.IsZero() {
			return code, err
		}
		select {
		case <-ctx.Done():
			return code, gateway.ErrExpired // the first request may still redeem the code, so do not redeem it here
		case <-tick.C:
		}
	}
}
