package administration

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/session"
)

// maxSearch limits the text of a search, in characters.
const maxSearch = 200

// Search returns users by a text that an administrator typed; see
// gateway.UserAdministration.SearchUsers.
func (s *Service) Search(ctx context.Context, q gateway.UserSearch) (gateway.UserPage, error) {
	text, err := cleanLine("text", q.Text, maxSearch)
	if err != nil {
		return gateway.UserPage{}, err
	}
	if q.Status != "" && !q.Status.Valid() {
		return gateway.UserPage{}, &FieldError{Field: "status", Key: Invalid, Value: gateway.CleanLine(string(q.Status))}
	}
	if q.NoUnionID, err = s.appID("no_unionid", q.NoUnionID); err != nil {
		return gateway.UserPage{}, err
	}
	q.Text = text
	return s.store.SearchUsers(ctx, q)
}

// appID returns the appid of a connector by its name. An appid stays as it is: it may be that of an
// account that was replaced. "" stays "". field is the name for errors.
func (s *Service) appID(field, connector string) (string, error) {
	for _, c := range s.cfg.Connectors {
		if c.Name == connector {
			return c.AppID, nil
		}
	}
	if connector != "" && !strings.HasPrefix(connector, "wx") {
		return "", &FieldError{Field: field, Key: Unknown, Value: gateway.CleanLine(connector)}
	}
	return connector, nil
}

// maxNoUnionID limits CountNoUnionID: it reads so many identities of a connector.
const maxNoUnionID = 1000

// NoUnionID is how many users of a connector have no unionid.
type NoUnionID struct {
	Connector string
	Count     int
	More      bool // there may be more: the store has read maxNoUnionID identities
}

// CountNoUnionID returns for each connector how many users have no unionid: gateway.UserSearch
// describes them.
func (s *Service) CountNoUnionID(ctx context.Context) (all []NoUnionID, err error) {
	for _, c := range s.cfg.Connectors {
		n, more, err := s.store.CountNoUnionID(ctx, c.AppID, maxNoUnionID)
		if err != nil {
			return nil, err
		}
		all = append(all, NoUnionID{Connector: c.Name, Count: n, More: more})
	}
	return all, nil
}

// Find returns the user with this user id, openid, unionid or old id (the id in a program whose
// users were imported). It never finds a user by nickname, because users can choose the id of
// another user as nickname. ErrAmbiguous when several users match: two programs can have used the
// same old id.
func (s *Service) Find(ctx context.Context, id string) (gateway.User, error) {
	user, err := s.store.User(ctx, id)
	if !errors.Is(err, gateway.ErrNotFound) {
		return user, err
	}
	found, err := s.store.Users(ctx, gateway.UserQuery{ID: id, Limit: 2})
	switch {
	case err != nil:
		return gateway.User{}, err
	case id == "" || len(found) == 0:
		return gateway.User{}, gateway.ErrNotFound
	case len(found) > 1:
		return gateway.User{}, ErrAmbiguous
	}
	return found[0], nil
}

// Details is a user with everything that an administrator may see.
type Details struct {
	User        gateway.User
	Identities  []gateway.Identity
	Sessions    []Session
	Requests    []gateway.AccessRequest
	Pins        []gateway.Pin        // the ids by which apps know the user
	AppSessions []gateway.AppSession // sign-ins at apps that support back-channel logout
	JoinedIDs   []string             // ids of the users who were joined into the user
	Events      []gateway.Event      // the newest, also those of JoinedIDs
	Deliveries  []gateway.Delivery   // about the user, the newest first
}

// Session is a session of a user, as an administrator sees it.
type Session struct {
	ID        string // for EndSession; it does not reveal the hash of the session
	Connector string
	Method    string // sign-in method
	Browser   string // name of the browser; "" = unknown
	MaskedIP  string // with method scan: IP address of the browser, without its last part; "" = unknown
	App       string // with method scan: app that the sign-in was for; "" = none
	AuthTime  time.Time
	Since     time.Time
	SeenAt    time.Time
	ExpiresAt time.Time
}

// detailsEvents is how many events and deliveries Details returns.
const detailsEvents = 30

// Details returns a user by the user id, or by the id of a user who was joined into that user.
func (s *Service) Details(ctx context.Context, id string) (d Details, err error) {
	if d.User, err = s.store.User(ctx, id); err != nil {
		return Details{}, err
	}
	id = d.User.ID
	if d.Identities, err = s.store.Identities(ctx, id); err != nil {
		return Details{}, err
	}
	sessions, err := s.store.UserSessions(ctx, id, s.cfg.Now())
	if err != nil {
		return Details{}, err
	}
	for _, each := range sessions {
		d.Sessions = append(d.Sessions, listedSession(each))
	}
	if d.Requests, err = s.store.UserRequests(ctx, id); err != nil {
		return Details{}, err
	}
	if d.Pins, err = s.store.UserSubjects(ctx, id); err != nil {
		return Details{}, err
	}
	if d.AppSessions, err = s.store.UserAppSessions(ctx, id); err != nil {
		return Details{}, err
	}
	if d.JoinedIDs, err = s.store.JoinedUsers(ctx, id); err != nil {
		return Details{}, err
	}
	if d.Events, err = s.userEvents(ctx, id, d.JoinedIDs); err != nil {
		return Details{}, err
	}
	d.Deliveries, err = s.store.Deliveries(ctx, gateway.DeliveryQuery{UserID: id, Limit: detailsEvents})
	return d, err
}

// maxJoinedEvents limits the number of joined users whose events Details reads. Each needs a query
// of its own.
const maxJoinedEvents = 5

// userEvents returns the newest events of a user and of the users who were joined into that user.
func (s *Service) userEvents(ctx context.Context, id string, joined []string) ([]gateway.Event, error) {
	var all []gateway.Event
	for _, each := range append([]string{id}, joined[:min(len(joined), maxJoinedEvents)]...) {
		events, err := s.store.Events(ctx, gateway.EventQuery{UserID: each, Limit: detailsEvents})
		if err != nil {
			return nil, err
		}
		all = append(all, events...)
	}
	slices.SortFunc(all, func(a, b gateway.Event) int { return cmp.Compare(b.ID, a.ID) })
	return all[:min(len(all), detailsEvents)], nil
}

// listedSession describes a session for administrators.
func listedSession(s gateway.Session) Session {
	out := Session{
		ID: session.FormID(s.Hash), Connector: s.Connector, Method: s.Method, AuthTime: s.AuthTime,
		Since: s.CreatedAt, SeenAt: s.SeenAt, ExpiresAt: s.ExpiresAt,
	}
	data := session.ReadData(s.Data)
	out.Browser = data.Browser
	if scan := data.Scan; scan != nil {
		out.Browser, out.MaskedIP, out.App = scan.Browser, scan.MaskedIP, scan.App
	}
	return out
}

// UsersByID returns users by their ids, for lists that name users; see
// gateway.UserAdministration.UsersByID.
func (s *Service) UsersByID(ctx context.Context, ids []string) (map[string]gateway.User, error) {
	return s.store.UsersByID(ctx, ids)
}

// Admins returns the active administrators, newest first, at most 100.
func (s *Service) Admins(ctx context.Context) ([]gateway.User, error) {
	page, err := s.store.SearchUsers(ctx, gateway.UserSearch{Admin: true, Status: gateway.Active, Limit: maxCounted})
	return page.Users, err
}

// CountAdmins returns the number of active administrators who can sign in, at most 100.
func (s *Service) CountAdmins(ctx context.Context) (int, error) { return s.store.CountAdmins(ctx) }

// Population distinguishes an empty store from a store without administrators.
type Population struct {
	Empty  bool // no user at all
	Admins int  // active administrators who can sign in, at most 100
}

// Population counts users for the command that creates links for administrators.
func (s *Service) Population(ctx context.Context) (p Population, err error) {
	if p.Admins, err = s.store.CountAdmins(ctx); err != nil {
		return Population{}, err
	}
	users, err := s.store.Users(ctx, gateway.UserQuery{Limit: 1})
	p.Empty = len(users) == 0
	return p, err
}
