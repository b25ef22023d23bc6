package gateway

import (
	"context"
	"crypto/subtle"
	"errors"
	"time"
)

// SavedRequest is a request of a browser whose address is too long for a cookie. The gateway keeps
// it while the user signs in. The browser continues at a short address, which contains a key
// instead of the request. Visitors who are not signed in can save requests.
type SavedRequest struct {
	Hash      [32]byte // SHA-256 of the key in the short address
	Browser   [32]byte // SHA-256 of the secret in the browser's cookie; no other browser may continue it
	Network   string   // keyed hash of the browser's network, for SavedRequestLimits; "" = unknown
	Address   string   // path and query of the request
	CreatedAt time.Time
	ExpiresAt time.Time
}

// SavedRequestLimits limit the number of saved requests. A new request beyond a limit replaces
// older requests. So a flood does not prevent other users from signing in.
type SavedRequestLimits struct {
	// Total is the maximum number of requests in all networks. When it is reached, the networks with
	// the most requests lose their oldest requests.
	Total int

	// PerNetwork and PerBrowser are the maximum numbers of requests with one SavedRequest.Network and
	// with one SavedRequest.Browser. The oldest requests beyond a maximum are deleted.
	PerNetwork, PerBrowser int
}

// Counts reports whether a store compares the number of all requests with Total after it has stored
// r. If Total is small, the store does so after every request, and otherwise after one in sixteen.
// Nobody can choose requests after which it does not: their hashes depend on a secret of the
// gateway.
func (l SavedRequestLimits) Counts(r SavedRequest) bool { return l.Total < 4096 || r.Hash[0]%16 == 0 }

// Excess returns how many requests are deleted when there are more than Total.
func (l SavedRequestLimits) Excess() int { return max(1, l.Total/64) }

// SavedRequests stores requests while their users sign in.
type SavedRequests interface {
	// SaveRequest stores a request. If the same browser has stored a request with this hash
	// already, SaveRequest extends its ExpiresAt, and does not shorten it. If another browser has
	// stored a request with this hash, SaveRequest returns ErrConflict.
	//
	// Then SaveRequest deletes requests beyond the limits as SavedRequestLimits describes.
	// Concurrent calls may exceed a limit by their number, until the next call. An incomplete
	// request and limits that are not positive are errors.
	SaveRequest(ctx context.Context, r SavedRequest, now time.Time, limits SavedRequestLimits) error

	// SavedRequest returns the request with this hash. It returns ErrNotFound when there is none,
	// or when another browser stored it. It returns ErrExpired when the request has expired.
	SavedRequest(ctx context.Context, hash, browser [32]byte, now time.Time) (SavedRequest, error)
}

// Check returns an error for an incomplete request, which stores reject.
func (r SavedRequest) Check() error {
	var none [32]byte
	switch {
	case r.Hash == none || r.Browser == none:
		return errors.New("a saved request needs the hashes of its key and of its browser's secret")
	case r.Address == "":
		return errors.New("a saved request needs its address")
	case r.CreatedAt.IsZero() || r.ExpiresAt.IsZero():
		return errors.New("a saved request needs its times")
	}
	return nil
}

// Check returns an error for limits that are not positive.
func (l SavedRequestLimits) Check() error {
	if l.Total <= 0 || l.PerNetwork <= 0 || l.PerBrowser <= 0 {
		return errors.New("a saved request needs limits of how many there may be")
	}
	return nil
}

// AfterRead returns the result of SavedRequests.SavedRequest, after a store has read the request.
// It compares the browser first. So another browser does not learn whether the request has expired.
func (r SavedRequest) AfterRead(browser [32]byte, now time.Time) (SavedRequest, error) {
	switch {
	case subtle.ConstantTimeCompare(r.Browser[:], browser[:]) != 1:
		return SavedRequest{}, ErrNotFound
	case !now.Before(r.ExpiresAt):
		return SavedRequest{}, ErrExpired
	}
	return r, nil
}
