// Package administration implements everything that an administrator can do. The pages (/admin),
// the HTTP API and the command line call it. An act therefore has the same rule and the same event
// in all three.
//
// [New] returns a [Service]. Its methods are grouped by file:
//
//   - waiting.go: who waits for approval; approve and refuse
//   - users.go: search, find and read users
//   - changes.go, changes_one.go: block, sign out, edit, merge, delete
//   - invitations.go, api_keys.go: links and keys, whose secrets are shown once
//   - events.go, export.go: the audit log; CSV and JSON lines
//   - health.go, apps.go, deliveries.go: counts and problems, configured apps, notifications
//   - served_url.go: the address of the gateway, and its change
//
// The callers authenticate: by a session, an API key, or access to the server. Each change names
// its [Actor]. If the actor is a user, the service checks that the user is an administrator now.
//
// Every change appends one event in its transaction. The kinds of events are in kinds.go.
package administration

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// Store is the part of gateway.Store that the service needs.
type Store interface {
	gateway.Users
	gateway.Subjects
	gateway.Sessions
	gateway.Keys
	gateway.Events
	gateway.AccessRequests
	gateway.Invitations
	gateway.APIKeys
	gateway.Deliveries
	gateway.Statistics
	gateway.UserAdministration
	gateway.ServedURLs
}

// Config has what a Service needs. Store and URL are required.
type Config struct {
	Store      Store
	URL        string // of the gateway, without a final slash: links begin with it
	Apps       []App
	Connectors []Connector

	// Notices are the names of the receivers of notices, which are configured below the key notify.
	// TestNotice queues a test message to a receiver; nil = notifications are not configured.
	Notices    []string
	TestNotice func(ctx context.Context, name string) error

	// MasterKeys are the ids of the master keys (they seal the signing keys), the current one first;
	// none = unknown. MasterKeyAt is when their file was written last; zero = unknown.
	MasterKeys  []string
	MasterKeyAt time.Time

	// Certificates returns the certificates of the gateway; nil = unknown.
	Certificates func(ctx context.Context) []Certificate

	Zone   *time.Location   // of times in CSV files; nil = time.Local
	Now    func() time.Time // nil = time.Now
	Logger *slog.Logger     // nil = no log
}

// Connector is an app at WeChat that users sign in through, without its secret.
type Connector struct {
	Name         string
	Kind         string // official_account, subscription_account or website
	AppID        string
	OpenPlatform string // Open Platform account; connectors of one account share unionids; "" = none
}

// Service is the administration of one gateway. It is safe for concurrent use.
type Service struct {
	store Store
	cfg   Config
	apps  map[string]App // by id
}

// New returns a service, or an error for an incomplete Config.
func New(cfg Config) (*Service, error) {
	switch {
	case cfg.Store == nil:
		return nil, errors.New("administration: Config.Store is missing")
	case cfg.URL == "" || strings.HasSuffix(cfg.URL, "/"):
		return nil, fmt.Errorf("administration: Config.URL %q: must be an address without a final slash", cfg.URL)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Zone == nil {
		cfg.Zone = time.Local
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Service{store: cfg.Store, cfg: cfg, apps: map[string]App{}}
	for _, a := range cfg.Apps {
		s.apps[a.ID] = a
	}
	return s, nil
}

// Actor is who causes a change.
type Actor struct {
	ID        string // id of a user, gateway.ActorCommand, or gateway.ActorKeyPrefix and the id of a key
	Address   string // IP address of the client, without its last part; "" = none
	RequestID string // "" = none

	// Link is set when an administrator's link created the session of the user (gateway.MethodLink).
	Link bool

	// MayChange returns an error for a user whom the actor must not change. Block, Unblock, Edit and
	// Delete call it with the stored user in the transaction of the change, because this user may have
	// become an administrator after the caller's own check. nil = the actor may change every user.
	MayChange func(gateway.User) error

	// Force lets the command line take the rights away from the last administrator, so that there is
	// none. It has no effect for other actors.
	Force bool
}

// mayChange returns an error if the actor must not change this user.
func (a Actor) mayChange(u gateway.User) error {
	if a.MayChange == nil {
		return nil
	}
	return a.MayChange(u)
}

// ActorOfKey returns the actor that stands for an API key.
func ActorOfKey(key gateway.APIKey) Actor { return Actor{ID: gateway.ActorKeyPrefix + key.ID} }

// isUser reports whether the actor is a user, not the command line and not an API key.
func (a Actor) isUser() bool {
	return a.ID != gateway.ActorCommand && !strings.HasPrefix(a.ID, gateway.ActorKeyPrefix)
}

// allowNone reports whether the actor may leave the gateway without an administrator.
func (a Actor) allowNone() bool { return a.Force && a.ID == gateway.ActorCommand }

// event returns an event of an actor with outcome "ok".
func (s *Service) event(by Actor, kind, detail string) gateway.Event {
	return gateway.Event{
		At: s.cfg.Now(), Kind: kind, Outcome: "ok", Detail: detail, Actor: by.ID, Address: by.Address,
		RequestID: by.RequestID,
	}
}

// check returns ErrForbidden if the actor is a user without administrator rights. The caller has
// checked the rights when it read the session. Perhaps the user has lost the rights since.
func (s *Service) check(ctx context.Context, by Actor) error {
	if by.ID == "" {
		return errors.New("administration: a change needs an actor")
	}
	if !by.isUser() {
		return nil
	}
	user, err := s.store.User(ctx, by.ID)
	switch {
	case errors.Is(err, gateway.ErrNotFound):
		return ErrForbidden
	case err != nil:
		return err
	case user.ID != by.ID: // the actor was joined into another user
		return ErrForbidden
	case !user.Admin || user.Status != gateway.Active:
		return ErrForbidden
	}
	return nil
}
