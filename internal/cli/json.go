package cli

import (
	"time"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/gateway"
)

// This file has the JSON objects that the commands of administration print. Their fields are stable
// and documented in docs/en/administration.md. Users and events are the objects of an export
// (administration.ExportedUser and ExportedEvent). Openids and unionids are shortened. Empty lists
// are [], not null.

// outcomeEntry is the result of a change of one user.
type outcomeEntry struct {
	UserID  string                       `json:"user_id"`
	Outcome string                       `json:"outcome"` // "ok" or "failed"
	Error   string                       `json:"error,omitempty"`
	User    *administration.ExportedUser `json:"user,omitempty"`
}

type identityEntry struct {
	Connector string    `json:"connector"`
	AppID     string    `json:"appid"`
	OpenID    string    `json:"openid"`
	UnionID   string    `json:"unionid"`
	CreatedAt time.Time `json:"created_at"`
	SeenAt    time.Time `json:"seen_at,omitzero"`
}

type sessionEntry struct {
	ID        string    `json:"id"`
	Method    string    `json:"method"`
	Connector string    `json:"connector"`
	Browser   string    `json:"browser"`
	Address   string    `json:"address"`
	CreatedAt time.Time `json:"created_at"`
	SeenAt    time.Time `json:"seen_at"`
	ExpiresAt time.Time `json:"expires_at"`
}

// requestEntry is a user's request for access to an app.
type requestEntry struct {
	UserID      string    `json:"user_id"`
	App         string    `json:"app"`
	State       string    `json:"state"`
	Method      string    `json:"method"`
	Reason      string    `json:"reason"`
	RequestedAt time.Time `json:"requested_at"`
	DecidedAt   time.Time `json:"decided_at,omitzero"`
	DecidedBy   string    `json:"decided_by"`
}

// detailsEntry is everything about one user.
type detailsEntry struct {
	User       administration.ExportedUser    `json:"user"`
	Identities []identityEntry                `json:"identities"`
	Sessions   []sessionEntry                 `json:"sessions"`
	Requests   []requestEntry                 `json:"requests"`
	Subjects   []subjectEntry                 `json:"subjects"`
	JoinedIDs  []string                       `json:"joined_ids"`
	Events     []administration.ExportedEvent `json:"events"`
}

// subjectEntry is the subject (the claim sub) by which an app knows a user.
type subjectEntry struct {
	App     string `json:"app"`
	Subject string `json:"subject"`
}

// waitingEntry is a request that waits for a decision, and its user.
type waitingEntry struct {
	Request requestEntry                `json:"request"`
	User    administration.ExportedUser `json:"user"`
}

type invitationEntry struct {
	ID        string    `json:"id"`
	Kind      string    `json:"kind"`
	State     string    `json:"state"`
	UserID    string    `json:"user_id"`
	Apps      []string  `json:"apps"`
	Groups    []string  `json:"groups"`
	Note      string    `json:"note"`
	CreatedBy string    `json:"created_by"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
	MaxUses   int       `json:"max_uses"`
	Uses      int       `json:"uses"`
}

// useEntry is one use of an invitation.
type useEntry struct {
	UserID string    `json:"user_id"`
	At     time.Time `json:"at"`
}

type apiKeyEntry struct {
	ID         string    `json:"id"`
	Name       string    `json:"name"`
	Scopes     []string  `json:"scopes"`
	State      string    `json:"state"` // usable, expired or revoked
	CreatedBy  string    `json:"created_by"`
	CreatedAt  time.Time `json:"created_at"`
	ExpiresAt  time.Time `json:"expires_at,omitzero"`
	LastUsedAt time.Time `json:"last_used_at,omitzero"`
	RevokedAt  time.Time `json:"revoked_at,omitzero"`
}

// deliveryEntry is a message to administrators or a back-channel logout to an app.
type deliveryEntry struct {
	ID        int64     `json:"id"`
	Kind      string    `json:"kind"`
	Target    string    `json:"target"`
	State     string    `json:"state"`
	UserID    string    `json:"user_id"`
	CreatedAt time.Time `json:"created_at"`
	NextAt    time.Time `json:"next_at"`
	Attempts  int       `json:"attempts"`
	LastError string    `json:"last_error"`
}

func newIdentityEntry(i gateway.Identity) identityEntry {
	return identityEntry{
		Connector: i.Connector, AppID: i.AppID, OpenID: short(i.OpenID), UnionID: short(i.UnionID),
		CreatedAt: i.CreatedAt.UTC(), SeenAt: i.SeenAt.UTC(),
	}
}

func newSessionEntry(s administration.Session) sessionEntry {
	return sessionEntry{
		ID: s.ID, Method: s.Method, Connector: s.Connector, Browser: s.Browser, Address: s.MaskedIP,
		CreatedAt: s.Since.UTC(), SeenAt: s.SeenAt.UTC(), ExpiresAt: s.ExpiresAt.UTC(),
	}
}

func newRequestEntry(r gateway.AccessRequest) requestEntry {
	return requestEntry{
		UserID: r.UserID, App: r.App, State: string(r.State), Method: r.Method, Reason: r.Reason,
		RequestedAt: r.RequestedAt.UTC(), DecidedAt: r.DecidedAt.UTC(), DecidedBy: r.DecidedBy,
	}
}

func newDetailsEntry(d administration.Details) detailsEntry {
	out := detailsEntry{
		User: administration.ExportUser(d.User), Identities: []identityEntry{}, Sessions: []sessionEntry{},
		Requests: []requestEntry{}, Subjects: []subjectEntry{}, JoinedIDs: append([]string{}, d.JoinedIDs...),
		Events: exportEvents(d.Events),
	}
	for _, i := range d.Identities {
		out.Identities = append(out.Identities, newIdentityEntry(i))
	}
	for _, s := range d.Sessions {
		out.Sessions = append(out.Sessions, newSessionEntry(s))
	}
	for _, r := range d.Requests {
		out.Requests = append(out.Requests, newRequestEntry(r))
	}
	for _, p := range d.Pins {
		out.Subjects = append(out.Subjects, subjectEntry{App: p.App, Subject: p.Subject})
	}
	return out
}

func newInvitationEntry(i gateway.Invitation, now time.Time) invitationEntry {
	return invitationEntry{
		ID: i.ID, Kind: string(i.Kind), State: string(administration.StateOf(i, now)), UserID: i.UserID,
		Apps: append([]string{}, i.Apps...), Groups: append([]string{}, i.Groups...), Note: i.Note,
		CreatedBy: i.CreatedBy, CreatedAt: i.CreatedAt.UTC(), ExpiresAt: i.ExpiresAt.UTC(), MaxUses: i.MaxUses,
		Uses: i.Uses,
	}
}

func newAPIKeyEntry(k gateway.APIKey, now time.Time) apiKeyEntry {
	return apiKeyEntry{
		ID: k.ID, Name: k.Name, Scopes: k.Scopes, State: administration.APIKeyState(k, now), CreatedBy: k.CreatedBy,
		CreatedAt: k.CreatedAt.UTC(), ExpiresAt: k.ExpiresAt.UTC(), LastUsedAt: k.LastUsedAt.UTC(),
		RevokedAt: k.RevokedAt.UTC(),
	}
}

func newDeliveryEntry(d gateway.Delivery) deliveryEntry {
	return deliveryEntry{
		ID: d.ID, Kind: string(d.Kind), Target: d.Target, State: string(d.State), UserID: d.UserID,
		CreatedAt: d.CreatedAt.UTC(), NextAt: d.NextAt.UTC(), Attempts: d.Attempts, LastError: d.LastError,
	}
}
