package administration

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
)

// Errors for errors.Is. The methods also return *FieldError and these errors of package gateway:
// ErrNotFound, ErrConflict, ErrBlocked, ErrLastAdmin and ErrUnavailable.
var (
	// ErrSelf: administrators cannot block, delete, demote or merge themselves. Another administrator
	// or the command line can.
	ErrSelf = errors.New("administrators cannot do this to themselves")

	// ErrForbidden: the actor is not an administrator.
	ErrForbidden = errors.New("the actor is not an administrator")

	// ErrPending: the user waits for approval, and must be approved first.
	ErrPending = errors.New("the user is not approved")

	// ErrNotBlocked: the user is not blocked, so there is nothing to unblock.
	ErrNotBlocked = errors.New("the user is not blocked")

	// ErrNotConfigured: notifications are not configured.
	ErrNotConfigured = errors.New("notifications are not configured")

	// ErrAmbiguous: several users have this openid, unionid or old id.
	ErrAmbiguous = errors.New("several users match")
)

// FieldError reports an invalid value that an administrator typed. Nothing was changed.
type FieldError struct {
	Field string // such as "note"
	Key   string // what is wrong: one of the constants below; pages have a text for each
	Max   int    // with TooLong and TooMany: the limit
	Value string // with Unknown and Invalid: the value, if it can be shown
}

// Values of FieldError.Key.
const (
	Required = "required" // the value is missing
	TooLong  = "too_long" // more than Max characters
	TooMany  = "too_many" // more than Max values
	Invalid  = "invalid"  // no such choice or date, or characters that are not allowed
	Unknown  = "unknown"  // the name of an app, group or the like that is not configured
)

// Error describes the problem in English, for the command line and the API.
func (e *FieldError) Error() string { return e.Localize(nil) }

// Localize returns the text of Error in the language of formats; nil = English.
func (e *FieldError) Localize(formats lang.Formats) string {
	switch e.Key {
	case Required:
		return formats.Sprintf("%s: missing", e.Field)
	case TooLong:
		return formats.Sprintf("%s: must have at most %d characters", e.Field, e.Max)
	case TooMany:
		return formats.Sprintf("%s: at most %d", e.Field, e.Max)
	case Unknown:
		return formats.Sprintf("%s: %q is not configured", e.Field, e.Value)
	}
	if e.Value == "" {
		return formats.Sprintf("%s: invalid value", e.Field)
	}
	return formats.Sprintf("%s: invalid value %q", e.Field, e.Value)
}

// The limits of what administrators type, in characters.
const (
	MaxName   = 100
	MaxNote   = 1000
	MaxReason = 500
	MaxGroup  = 64
	MaxGroups = 64 // groups of one user
)

// cleanLine returns a text as one line without control characters, or a FieldError if it is too
// long.
func cleanLine(field, text string, limit int) (string, error) {
	return checkLength(field, gateway.CleanLine(text), limit)
}

// cleanParagraph is cleanLine for a text of several lines: line breaks stay.
func cleanParagraph(field, text string, limit int) (string, error) {
	return checkLength(field, gateway.CleanParagraph(text), limit)
}

func checkLength(field, text string, limit int) (string, error) {
	if utf8.RuneCountInString(text) > limit {
		return "", &FieldError{Field: field, Key: TooLong, Max: limit}
	}
	return text, nil
}

// CleanGroups returns groups sorted and without duplicates. A group has no spaces, no commas and no
// control characters, because forward auth sends the groups of a user in one header.
func CleanGroups(groups []string) ([]string, error) {
	var out []string
	for _, g := range groups {
		g = strings.TrimSpace(g)
		if g == "" {
			continue
		}
		invalid := func(r rune) bool { return r == ',' || unicode.IsSpace(r) || !unicode.IsPrint(r) }
		switch {
		case !utf8.ValidString(g) || strings.ContainsFunc(g, invalid):
			return nil, &FieldError{Field: "groups", Key: Invalid, Value: gateway.CleanLine(g)}
		case utf8.RuneCountInString(g) > MaxGroup:
			return nil, &FieldError{Field: "groups", Key: TooLong, Max: MaxGroup}
		}
		out = append(out, g)
	}
	slices.Sort(out)
	out = slices.Compact(out)
	if len(out) > MaxGroups {
		return nil, &FieldError{Field: "groups", Key: TooMany, Max: MaxGroups}
	}
	return out, nil
}

// cleanApps returns ids of apps, sorted and without duplicates. Only configured apps are valid;
// kept lists ids that are valid too, because a user has them already.
func (s *Service) cleanApps(apps []string, kept ...string) ([]string, error) {
	var out []string
	for _, id := range apps {
		id = strings.TrimSpace(id)
		if id == "" {
			continue
		}
		if _, configured := s.apps[id]; !configured && !slices.Contains(kept, id) {
			return nil, &FieldError{Field: "apps", Key: Unknown, Value: gateway.CleanLine(id)}
		}
		out = append(out, id)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// formatSpan formats a duration as administrators write it: 400d or 25h, not 9600h0m0s.
func formatSpan(d time.Duration) string {
	switch {
	case d != 0 && d%(24*time.Hour) == 0:
		return strconv.FormatInt(int64(d/(24*time.Hour)), 10) + "d"
	case d != 0 && d%time.Hour == 0:
		return strconv.FormatInt(int64(d/time.Hour), 10) + "h"
	}
	return d.String()
}
