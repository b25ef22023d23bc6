package wechattest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Errors of the methods that take an appid or the id of a person. Use errors.Is. For an unknown app
// or person, the text of the returned error lists the known ones.
var (
	// ErrUnknownApp: the server has no app with this appid.
	ErrUnknownApp = errors.New("unknown app")
	// ErrUnknownPerson: the server has no person with this id.
	ErrUnknownPerson = errors.New("unknown person")
	// ErrExists: the server has an app with this appid, or a person with this id, already.
	ErrExists = errors.New("exists already")
)

// added has the apps and people in their initial state, as they were configured or added. The keys
// are appids and ids of people.
type added struct {
	apps   map[string]App
	people map[string]Person
}

// register replaces the apps and people of the server by those of the configuration. The caller
// holds the lock, or is New.
func (s *Server) register() {
	s.apps, s.people, s.added = nil, nil, added{apps: map[string]App{}, people: map[string]Person{}}
	for i := range s.cfg.Apps {
		s.addApp(&s.cfg.Apps[i])
	}
	for i := range s.cfg.People {
		s.addPerson(&s.cfg.People[i])
	}
}

func (s *Server) addApp(a *App) {
	registered := a.clone()
	s.apps = append(s.apps, &registered)
	s.added.apps[a.AppID] = a.clone()
}

func (s *Server) addPerson(p *Person) {
	registered := p.clone()
	s.people = append(s.people, &registered)
	s.added.people[p.ID] = p.clone()
}

// Apps returns copies of the apps: those of the configuration in its order, then those of AddApp.
func (s *Server) Apps() []App {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]App, len(s.apps))
	for i, a := range s.apps {
		out[i] = a.clone()
	}
	return out
}

// People returns copies of the people: those of the configuration in its order, then those of
// AddPerson.
func (s *Server) People() []Person {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Person, len(s.people))
	for i, p := range s.people {
		out[i] = p.clone()
	}
	return out
}

// AddApp registers an app and returns it. If AppID or Secret is empty, AddApp generates it. AddApp
// returns [ErrExists] if the appid is taken, or the problems that [New] would report.
func (s *Server) AddApp(app App) (App, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if app.AppID == "" {
		app.AppID = "wx" + s.ids.random(16, hexDigits)
	}
	if app.Secret == "" {
		app.Secret = s.ids.random(32, hexDigits)
	}
	if err := app.check(); err != nil {
		return App{}, err
	}
	if s.app(app.AppID) != nil {
		return App{}, fmt.Errorf("wechattest: app %s: %w", app.AppID, ErrExists)
	}
	s.addApp(&app)
	return app.clone(), nil
}

const hexDigits = "0123456789abcdef"

// RemoveApp removes an app with its codes, tokens, consents and QR codes. An unknown appid is an
// error ([ErrUnknownApp]).
func (s *Server) RemoveApp(appID string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.app(appID) == nil {
		return s.unknownApp(appID)
	}
	s.apps = slices.DeleteFunc(s.apps, func(a *App) bool { return a.AppID == appID })
	delete(s.added.apps, appID)
	s.state.forget(func(user appUser) bool { return user.appID == appID })
	return nil
}

// AddPerson adds a WeChat user. An invalid id and an id that exists already ([ErrExists]) are
// errors.
func (s *Server) AddPerson(person Person) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := person.check(); err != nil {
		return err
	}
	if s.person(person.ID) != nil {
		return fmt.Errorf("wechattest: person %s: %w", person.ID, ErrExists)
	}
	s.addPerson(&person)
	return nil
}

// RemovePerson removes a person with the person's codes, tokens and consents, and clears the
// person's phone. If [Quirks.ConsentAs] is this person, it becomes "". An unknown id is an error
// ([ErrUnknownPerson]).
func (s *Server) RemovePerson(id string) error {
	s.mu.Lock()
	if s.person(id) == nil {
		defer s.mu.Unlock()
		return s.unknownPerson(id)
	}
	s.people = slices.DeleteFunc(s.people, func(p *Person) bool { return p.ID == id })
	delete(s.added.people, id)
	s.state.forget(func(user appUser) bool { return user.person == id })
	if s.quirks.ConsentAs == id {
		s.quirks.ConsentAs = ""
	}
	s.mu.Unlock()
	s.phones.reset(id)
	return nil
}

// UpdateApp changes an app, for example bans it. The appid cannot be changed. UpdateApp returns an
// error and changes nothing in two cases: the appid is unknown, or [New] would reject the changed
// app.
func (s *Server) UpdateApp(appID string, change func(*App)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.app(appID)
	if a == nil {
		return s.unknownApp(appID)
	}
	next := a.clone()
	change(&next)
	next.AppID = appID
	if err := next.check(); err != nil {
		return err
	}
	*a = next.clone()
	return nil
}

// UpdatePerson changes a person, for example the nickname. The id cannot be changed. An unknown id
// is an error.
func (s *Server) UpdatePerson(id string, change func(*Person)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.person(id)
	if p == nil {
		return s.unknownPerson(id)
	}
	next := p.clone()
	change(&next)
	next.ID = id
	*p = next.clone()
	return nil
}

// app returns an app; nil for an unknown appid. The caller holds the lock.
func (s *Server) app(id string) *App {
	for _, a := range s.apps {
		if a.AppID == id {
			return a
		}
	}
	return nil
}

// person returns a person; nil for an unknown id. The caller holds the lock.
func (s *Server) person(id string) *Person {
	for _, p := range s.people {
		if p.ID == id {
			return p
		}
	}
	return nil
}

// unknownApp returns the error for an unknown appid. The caller holds the lock.
func (s *Server) unknownApp(id string) error {
	return fmt.Errorf("wechattest: %w %q; there are %s", ErrUnknownApp, id, strings.Join(s.appIDs(), ", "))
}

// unknownPerson returns the error for an unknown id. The caller holds the lock.
func (s *Server) unknownPerson(id string) error {
	ids := make([]string, len(s.people))
	for i, p := range s.people {
		ids[i] = p.ID
	}
	return fmt.Errorf("wechattest: %w %q; there are %s", ErrUnknownPerson, id, strings.Join(ids, ", "))
}

func (s *Server) appIDs() []string {
	out := make([]string, len(s.apps))
	for i, a := range s.apps {
		out[i] = a.AppID
	}
	return out
}
