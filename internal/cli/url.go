package cli

import (
	"context"
	"errors"
	"time"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
)

// urlCmd is "weigate url". The store remembers the address at which a gateway first served, because
// apps know it as the issuer.
type urlCmd struct {
	Show   urlShowCmd   `cmd:"" help:"Show url of the configuration, and the address that apps know."`
	Accept urlAcceptCmd `cmd:"" help:"Accept url of the configuration as the address that apps know."`
}

// urlEntry is a JSON object of "weigate url".
type urlEntry struct {
	URL      string    `json:"url"`                // of the configuration
	KnownURL string    `json:"known_url"`          // of the store; "" = no gateway has served yet
	Since    time.Time `json:"since,omitzero"`     // when a gateway first served at KnownURL, or it was accepted
	Replaced string    `json:"replaced,omitempty"` // by "weigate url accept": the address before
}

// urlShowCmd is "weigate url show".
type urlShowCmd struct{ adminFlags }

// Run prints both addresses.
func (c *urlShowCmd) Run(s *invocation) error {
	svc, closeStore, err := c.service(s)
	if err != nil {
		return err
	}
	defer closeStore()
	known, err := servedURL(s.ctx, svc)
	if err != nil {
		return err
	}
	if c.JSON {
		return s.out.printJSON(urlEntry{URL: svc.URL(), KnownURL: known.URL, Since: known.Since.UTC()})
	}
	remembered := lang.Text("none yet: the first start with an address for other machines stores it")
	if known.URL != "" {
		remembered = lang.Text("%s, since %s", known.URL, s.formatTime(known.Since))
	}
	if err := s.out.printTable(field("url", svc.URL()), []row{field("known address", remembered)}); err != nil {
		return err
	}
	if known.URL != "" && known.URL != svc.URL() {
		s.out.hintf(otherURLHint)
	}
	return nil
}

// urlAcceptCmd is "weigate url accept".
type urlAcceptCmd struct{ adminFlags }

// Run stores the address of the configuration, with an event. A running gateway with this address
// stops reporting the problem within minutes.
func (c *urlAcceptCmd) Run(s *invocation) error {
	svc, closeStore, err := c.service(s)
	if err != nil {
		return err
	}
	defer closeStore()
	known, err := servedURL(s.ctx, svc)
	switch {
	case err != nil:
		return err
	case known.URL == "":
		return lang.Errorf("the store has no address yet: the first start with an address for other machines stores it")
	}
	entry := urlEntry{URL: svc.URL(), KnownURL: svc.URL(), Since: known.Since.UTC()}
	if known.URL != svc.URL() {
		err := svc.AcceptURL(s.ctx, byCommand, known.URL)
		if errors.Is(err, gateway.ErrConflict) {
			return withHint(lang.Errorf("the known address has changed meanwhile"), "weigate url show")
		}
		if err != nil {
			return err
		}
		entry.Replaced, entry.Since = known.URL, time.Now().UTC()
	}
	switch {
	case c.JSON:
		return s.out.printJSON(entry)
	case entry.Replaced == "":
		s.out.printf("%s is the known address already, since %s.", entry.URL, s.formatTime(known.Since))
	default:
		s.out.printf("%s is the known address now, in place of %s.", entry.URL, entry.Replaced)
	}
	return nil
}

const otherURLHint = "keep the old address; or enter the new one in every app, in proxies, and at WeChat (callback " +
	"domain, message push), and then run: weigate url accept"

// warnOfOtherURL prints a warning if the store knows another address than the configuration has.
func warnOfOtherURL(s *invocation, conf *config.Config, known gateway.ServedURL) {
	if known.URL == "" || known.URL == conf.URL {
		return
	}
	s.out.warnf("url is %s, but apps know this gateway as %s, since %s: apps with OpenID Connect reject tokens of "+
		"another issuer, users sign in again, and links and callback addresses lead to the old address", conf.URL,
		known.URL, s.formatTime(known.Since))
	s.out.hintf(otherURLHint)
}

// servedURL returns the address that the store knows; zero = none.
func servedURL(ctx context.Context, store interface {
	ServedURL(context.Context) (gateway.ServedURL, error)
}) (gateway.ServedURL, error) {
	known, err := store.ServedURL(ctx)
	if errors.Is(err, gateway.ErrNotFound) {
		err = nil
	}
	return known, err
}
