package cli

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	go_qr "github.com/piglig/go-qr"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/app"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
)

// This file has what the commands of administration share, such as "weigate user" and "weigate
// events". They call package administration, as the pages for administrators and the HTTP API do.

// adminFlags are the flags of the commands of administration.
type adminFlags struct {
	configFlag
	JSON bool `name:"json" help:"Print JSON, one object on each line."`
}

// byCommand is the actor in the events of changes by a command.
var byCommand = administration.Actor{ID: gateway.ActorCommand}

// service opens the store and returns the administration of the gateway. Call closeStore at the end.
func (c adminFlags) service(s *invocation) (svc *administration.Service, closeStore func(), err error) {
	conf, store, err := c.open(s)
	if err != nil {
		return nil, nil, err
	}
	options := app.AdministrationOptions{Store: store}
	notifier, err := app.NewNotifier(conf, store)
	if err == nil {
		options.TestNotice, options.Certificates = notifier.Test, certificates(conf, store)
		svc, err = app.NewAdministration(conf, options)
	}
	if err != nil {
		store.Close()
		return nil, nil, err
	}
	return svc, func() { store.Close() }, nil
}

// printJSON prints a value as JSON on one line.
func (p printer) printJSON(v any) error {
	to := json.NewEncoder(p.out)
	to.SetEscapeHTML(false)
	return to.Encode(v)
}

// printList prints each item of all: as a JSON object, or as a line of a table below head. Without
// items it prints the text none in place of the table.
func printList[T any](s *invocation, asJSON bool, all []T, none, head string, object func(T) any,
	line func(T) row) error {
	if asJSON {
		for _, each := range all {
			if err := s.out.printJSON(object(each)); err != nil {
				return err
			}
		}
		return nil
	}
	if len(all) == 0 {
		s.out.printf("%s", s.out.texts.Translate(none))
		return nil
	}
	var rows []row
	for _, each := range all {
		rows = append(rows, line(each))
	}
	return s.out.printTable(head, rows)
}

// adminHint names the user in an error of package administration, and adds a hint if a command
// helps.
func adminHint(err error, userID string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, gateway.ErrBlocked):
		return withHint(lang.Errorf("%s is blocked", userID), "weigate user unblock %s", userID)
	case errors.Is(err, administration.ErrNotBlocked):
		return lang.Errorf("%s is not blocked", userID)
	case errors.Is(err, administration.ErrPending):
		return withHint(lang.Errorf("%s is not approved", userID), "weigate user approve %s", userID)
	case errors.Is(err, gateway.ErrLastAdmin):
		return withHint(lang.Errorf("%s is the last administrator", userID),
			"make another user an administrator first, or add --force and use weigate admin invite afterwards")
	case errors.Is(err, gateway.ErrNotFound):
		return lang.Errorf("%s: %w", printable(short(userID)), err)
	}
	return err
}

// span is a duration on the command line. Unlike a time.Duration, it can be written in days.
type span time.Duration

// UnmarshalText parses a duration such as 30m, 12h or 7d.
func (d *span) UnmarshalText(text []byte) error {
	s := string(text)
	days, inDays := strings.CutSuffix(s, "d")
	if inDays {
		s = days + "h" // multiplied by 24 below
	}
	parsed, err := time.ParseDuration(s)
	if err != nil || parsed <= 0 || inDays && parsed > math.MaxInt64/24 {
		return errors.New("must be a duration such as 30m, 12h or 7d")
	}
	if inDays {
		parsed *= 24
	}
	*d = span(parsed)
	return nil
}

// moment is a time on the command line: a date, a time with or without a UTC offset, or a duration
// before now. "" = no time.
type moment string

// in returns the time; "" = the zero time. A text without a UTC offset is a time in zone.
func (m moment) in(zone *time.Location) (time.Time, error) {
	var ago span
	switch {
	case m == "":
		return time.Time{}, nil
	case ago.UnmarshalText([]byte(m)) == nil:
		return time.Now().Add(-time.Duration(ago)), nil
	}
	for _, layout := range []string{
		time.DateOnly, "2006-01-02 15:04", time.DateTime, "2006-01-02 15:04 -07:00", time.RFC3339,
	} {
		if t, err := time.ParseInLocation(layout, string(m), zone); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errors.New(
		`a time must be a date such as 2026-09-01, "2026-09-01 14:30", or a duration before now such as 24h`)
}

// formatInstant formats a time to the second, in the zone of the operator, with the UTC offset.
func (s *invocation) formatInstant(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.In(s.zone).Format("2006-01-02 15:04:05 -07:00")
}

// printLink prints a link, its QR code and when it expires. The QR code has the colours of a light
// page, also in a dark terminal: some readers do not recognize an inverted code.
func printLink(s *invocation, link string, expires time.Time) error {
	code, err := terminalQR(link)
	if err != nil {
		return err
	}
	s.out.printf("\n  %s\n\n%s", link, code)
	s.out.printf("The link works until %s.", expires.In(s.zone).Format("2006-01-02 15:04 -07:00 (MST)"))
	return nil
}

// terminalQR returns a QR code for a terminal: two modules, one below the other, in each character.
func terminalQR(text string) (string, error) {
	code, err := go_qr.EncodeText(text, go_qr.Low)
	if err != nil {
		return "", lang.Errorf("QR code: %w", err)
	}
	const (
		border = 2
		light  = "\x1b[30;107m" // black on white
		reset  = "\x1b[0m"
	)
	dark := func(x, y int) bool {
		inside := x >= 0 && y >= 0 && x < code.Size() && y < code.Size()
		return inside && code.Module(x, y)
	}
	var out strings.Builder
	for y := -border; y < code.Size()+border; y += 2 {
		out.WriteString("  " + light)
		for x := -border; x < code.Size()+border; x++ {
			switch upper, lower := dark(x, y), dark(x, y+1); {
			case upper && lower:
				out.WriteRune('█')
			case upper:
				out.WriteRune('▀')
			case lower:
				out.WriteRune('▄')
			default:
				out.WriteByte(' ')
			}
		}
		out.WriteString(reset + "\n")
	}
	return out.String(), nil
}

// nameOf returns the name by which an administrator recognizes a user.
func nameOf(u gateway.User) string {
	switch {
	case u.RealName != "" && u.Nickname != "":
		return u.RealName + " (" + u.Nickname + ")"
	case u.RealName != "":
		return u.RealName
	}
	return u.Nickname
}

// shorten shortens a text to a number of characters.
func shorten(text string, limit int) string {
	if utf8.RuneCountInString(text) <= limit {
		return text
	}
	return string([]rune(text)[:limit-1]) + "…"
}
