package administration

import (
	"context"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// Events returns events, newest first. A FieldError for a period that ends before it begins.
func (s *Service) Events(ctx context.Context, q gateway.EventQuery) (gateway.EventPage, error) {
	if err := checkPeriod(q.Since, q.Until); err != nil {
		return gateway.EventPage{}, err
	}
	return s.store.SearchEvents(ctx, q)
}

func checkPeriod(since, until time.Time) error {
	if !since.IsZero() && !until.IsZero() && !since.Before(until) {
		return &FieldError{Field: "until", Key: Invalid, Value: until.Format(time.RFC3339)}
	}
	return nil
}

// eachEvent calls do for the first maxRows events (0 = all), newest first, and returns their
// number. It reads a page at a time, so that an export needs little memory. Events that are
// appended meanwhile are not included.
func (s *Service) eachEvent(
	ctx context.Context, q gateway.EventQuery, maxRows int, do func(gateway.Event) error,
) (n int, err error) {
	q.Limit = exportPage
	for {
		page, err := s.Events(ctx, q)
		if err != nil {
			return n, err
		}
		for _, e := range page.Events {
			if maxRows > 0 && n == maxRows {
				return n, nil
			}
			if err := do(e); err != nil {
				return n, err
			}
			n++
		}
		switch {
		case page.Cut != 0: // the search stopped early; the next one continues there
			q.Before = page.Cut
		case len(page.Events) < q.Page(): // the last page
			return n, nil
		default:
			q.Before = page.Events[len(page.Events)-1].ID
		}
	}
}

// eachUser calls do for the first maxRows users (0 = all), newest first, and returns their number.
// It reads a page at a time.
func (s *Service) eachUser(
	ctx context.Context, q gateway.UserSearch, maxRows int, do func(gateway.User) error,
) (n int, err error) {
	q.Limit = exportPage
	for {
		page, err := s.Search(ctx, q)
		if err != nil {
			return n, err
		}
		for _, u := range page.Users {
			if maxRows > 0 && n == maxRows {
				return n, nil
			}
			if err := do(u); err != nil {
				return n, err
			}
			n++
		}
		switch {
		case page.Cut != "": // the search stopped early; the next one continues there
			q.After = page.Cut
		case len(page.Users) < q.Page(): // the last page
			return n, nil
		default:
			q.After = page.Positions[len(page.Positions)-1]
		}
	}
}
