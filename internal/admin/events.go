package admin

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/web"
)

// eventsPage is the audit log.
type eventsPage struct {
	*screen
	Filter      eventFilter
	Rows        []gateway.Event
	People      people
	First, Next string // addresses of the first and the next page; "" = no link
	Cut         bool   // the search has read gateway.MaxRead events and stopped: Next continues it
	Problems    problems
	Kinds       []administration.EventKind
	Apps        []administration.App
}

// eventFilter is the filter of the log, as typed.
type eventFilter struct {
	User, Kind, App, Actor, Outcome, RequestID, Since, Until string
}

// Any reports whether a part of the filter is set.
func (f eventFilter) Any() bool { return f != eventFilter{} }

// readEventFilter reads the filter from a function such as url.Values.Get.
func readEventFilter(get func(string) string) eventFilter {
	line := func(name string) string { return gateway.CleanLine(get(name)) }
	return eventFilter{
		User: line("user"), Kind: line("kind"), App: line("app"), Actor: line("actor"), Outcome: line("outcome"),
		RequestID: line("request_id"), Since: line("since"), Until: line("until"),
	}
}

// query returns the query for the store. Since and Until are days in the administrator's time
// zone. An invalid day is ignored.
func (f eventFilter) query(zone *time.Location) gateway.EventQuery {
	q := gateway.EventQuery{
		UserID: f.User, Kind: f.Kind, App: f.App, Actor: f.Actor, Outcome: f.Outcome, RequestID: f.RequestID,
	}
	if day, err := time.ParseInLocation(time.DateOnly, f.Since, zone); err == nil {
		q.Since = day
	}
	if day, err := time.ParseInLocation(time.DateOnly, f.Until, zone); err == nil {
		q.Until = day.AddDate(0, 0, 1) // the whole day
	}
	return q
}

// events serves the audit log, newest first.
func (h *Handler) events(v *visit) error {
	p := eventsPage{
		screen: h.screen(v), Filter: readEventFilter(v.r.URL.Query().Get), Kinds: administration.EventKinds(),
		Apps: h.cfg.Service.Apps(),
	}
	q := p.Filter.query(h.cfg.TimeZone)
	q.Limit = pageRows + 1
	if before, err := strconv.ParseInt(v.r.URL.Query().Get("before"), 10, 64); err == nil && before > 0 {
		q.Before = before
	}
	// The links do not repeat done and n, the notice of an act.
	if q.Before > 0 {
		p.First = h.root + "/events?" + without(v.r.URL.Query(), "before", "done", "n").Encode()
	}
	found, err := h.cfg.Service.Events(v.r.Context(), q)
	status := http.StatusOK
	if p.Problems = h.problemsOf(v, err); len(p.Problems) > 0 {
		status = http.StatusBadRequest
	} else if err != nil {
		return err
	}
	events, next := found.Events, found.Cut // Cut is where the search stopped early; 0 = it did not
	p.Cut = next != 0
	if len(events) > pageRows {
		events = events[:pageRows]
		next = events[pageRows-1].ID
	}
	if next != 0 {
		query := without(v.r.URL.Query(), "done", "n")
		query.Set("before", strconv.FormatInt(next, 10))
		p.Next = h.root + "/events?" + query.Encode()
	}
	p.Rows = events
	if p.People, err = h.people(v, eventUsers(events)); err != nil {
		return err
	}
	return h.write(v, web.Document{View: "events", Status: status, Title: h.text(v, "events.title"), Data: p})
}

// without deletes parameters from query, and returns it.
func without(query url.Values, names ...string) url.Values {
	for _, name := range names {
		query.Del(name)
	}
	return query
}

// people has the users whom a list names, by id.
type people map[string]gateway.User

// eventUsers returns the ids of the users whom events name.
func eventUsers(events []gateway.Event) []string {
	var ids []string
	for _, e := range events {
		ids = append(ids, e.UserID, e.Actor)
	}
	return ids
}

// people returns the users of a list, by one query for the whole list.
func (h *Handler) people(v *visit, lists ...[]string) (people, error) {
	var ids []string
	seen := map[string]bool{"": true, gateway.ActorCommand: true} // not the id of a user
	for _, list := range lists {
		for _, id := range list {
			if !seen[id] && len(id) == len(gateway.NewID()) { // not an API key, which has a prefix
				ids = append(ids, id)
			}
			seen[id] = true
		}
	}
	if len(ids) == 0 {
		return people{}, nil
	}
	users, err := h.cfg.Service.UsersByID(v.r.Context(), ids)
	return people(users), err
}

// eventView is an event of a list, for the template that several pages use. A user is nil if
// unknown: deleted, or not a user.
type eventView struct {
	gateway.Event
	User *gateway.User // whom the event is about
	By   *gateway.User // who caused the event, if it is another user
}

// Event returns an event with the users whom it names. Templates call it.
func (p people) Event(e gateway.Event) eventView {
	view := eventView{Event: e}
	if u, known := p[e.UserID]; known {
		view.User = &u
	}
	if u, known := p[e.Actor]; known && e.Actor != e.UserID {
		view.By = &u
	}
	return view
}

// Events returns events with the users whom they name. Templates call it.
func (p people) Events(events []gateway.Event) []eventView {
	var views []eventView
	for _, e := range events {
		views = append(views, p.Event(e))
	}
	return views
}

// Author returns an event that has only an actor. The template "author" shows with it who made a
// thing.
func (p people) Author(actor string) eventView { return p.Event(gateway.Event{Actor: actor}) }

// One returns a user of a list, or a user with nothing but the id.
func (p people) One(id string) gateway.User {
	if u, known := p[id]; known {
		return u
	}
	return gateway.User{ID: id}
}

// KeyID returns the id of the API key that caused an event; "" = something else did.
func (e eventView) KeyID() string {
	if id, found := strings.CutPrefix(e.Actor, gateway.ActorKeyPrefix); found {
		return id
	}
	return ""
}
