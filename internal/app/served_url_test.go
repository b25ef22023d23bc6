package app_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/app"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/store/postgres"
	"github.com/weigate/weigate/internal/store/postgres/postgrestest"
)

const (
	oldURL = "https://login.example.com"
	newURL = "https://sso.example.com"
)

// moved is a fixture whose gateways serve at addresses of their own.
type moved struct {
	*gatewayFixture
	apps []*app.App
}

// serve starts a gateway at an address. It returns the gateway, and its log for after stop.
func (m *moved) serve(address string) (*app.App, *bytes.Buffer) {
	m.t.Helper()
	log, c, o := &bytes.Buffer{}, *m.config, m.options
	c.URL = address
	o.Config, o.Store, o.Logger = &c, m.store, slog.New(slog.NewTextHandler(log, nil))
	a, err := app.New(m.t.Context(), o)
	if err != nil {
		m.t.Fatal(err)
	}
	m.apps = append(m.apps, a)
	return a, log
}

// stop stops all gateways, which writes their statistics, and returns the problems with addresses.
func (m *moved) stop() (found []gateway.Problem) {
	m.t.Helper()
	for _, a := range m.apps {
		if err := a.Close(context.Background()); err != nil {
			m.t.Fatal(err)
		}
	}
	m.apps = nil
	problems, err := m.store.Problems(m.t.Context(), m.clock.Now().Add(-time.Hour))
	if err != nil {
		m.t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Source, "url:") {
			found = append(found, p)
		}
	}
	return found
}

func (m *moved) accept(address string) {
	m.t.Helper()
	c := *m.config
	c.URL = address
	svc, err := app.NewAdministration(&c, app.AdministrationOptions{Store: m.store, Now: m.clock.Now})
	if err != nil {
		m.t.Fatal(err)
	}
	known, err := svc.ServedURL(m.t.Context())
	if err != nil {
		m.t.Fatal(err)
	}
	if err := svc.AcceptURL(m.t.Context(), administration.Actor{ID: gateway.ActorCommand}, known.URL); err != nil {
		m.t.Fatal(err)
	}
}

// TestMovedGatewayIsAProblem: after a change of url, every app rejects the tokens. The log, the health page
// and the notifications name the address that the apps know, until an administrator accepts the new one.
func TestMovedGatewayIsAProblem(t *testing.T) {
	t.Parallel()
	postgresStore := func(w *gatewayFixture) {
		s, err := postgres.Open(t.Context(), postgrestest.URL(t), postgres.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		w.store = s
	}
	for name, options := range map[string][]option{"sqlite": nil, "postgres": {postgresStore}} {
		m := &moved{gatewayFixture: newFixture(t, options...)}
		_, log := m.serve(oldURL)
		m.serve(oldURL)
		if found := m.stop(); len(found) > 0 || strings.Contains(log.String(), "address") {
			t.Errorf("%s: the first address: %+v\n%s", name, found, log)
		}
		a, log := m.serve(newURL)
		a.CompareURLAgain(t.Context())
		m.accept(newURL)
		a.CompareURLAgain(t.Context())
		found := m.stop()
		if len(found) != 1 || found[0].Source != "url:"+newURL || found[0].Code != administration.URLChanged ||
			found[0].Count != 2 || found[0].Detail != "apps know this gateway as "+oldURL {
			t.Errorf("%s: problems %+v", name, found)
		}
		for _, want := range []string{"gateway moved to another address", "known_url=" + oldURL, "weigate url accept"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("%s: the log lacks %q: %s", name, want, log)
			}
		}
		_, log = m.serve(newURL)
		if found := m.stop(); len(found) != 1 || found[0].Count != 2 || strings.Contains(log.String(), "address") {
			t.Errorf("%s: after the change was accepted: %+v\n%s", name, found, log)
		}
	}
}

// TestReplicasWithDifferentURLs: one of two replicas has another url. Whichever one it is, the address that
// apps know stays, and the other is reported.
func TestReplicasWithDifferentURLs(t *testing.T) {
	t.Parallel()
	m := &moved{gatewayFixture: newFixture(t)}
	first, _ := m.serve(oldURL)
	second, _ := m.serve(newURL)
	first.CompareURLAgain(t.Context())
	second.CompareURLAgain(t.Context())
	if found := m.stop(); len(found) != 1 || found[0].Source != "url:"+newURL || found[0].Count != 2 {
		t.Errorf("problems: %+v", found)
	}
}

// TestReloadWithAnotherURLStoresNothing: a reload keeps the running address, so the store must too.
func TestReloadWithAnotherURLStoresNothing(t *testing.T) {
	t.Parallel()
	m := &moved{gatewayFixture: newFixture(t)}
	a, _ := m.serve(oldURL)
	c := *m.config
	c.URL = newURL
	if err := a.Reload(&c); err == nil {
		t.Error("reloaded with another url")
	}
	a.CompareURLAgain(t.Context())
	if known, err := m.store.ServedURL(t.Context()); err != nil || known.URL != oldURL {
		t.Errorf("stored %+v, %v", known, err)
	}
	if found := m.stop(); len(found) > 0 {
		t.Errorf("problems: %+v", found)
	}
}

// TestTrialOnThisMachineIsNotTheAddress: a gateway is tried at http://localhost first. The real address must
// not count as a move.
func TestTrialOnThisMachineIsNotTheAddress(t *testing.T) {
	t.Parallel()
	m := &moved{gatewayFixture: newFixture(t)} // serves at a loopback address
	m.serve("http://localhost:8080")
	if known, err := m.store.ServedURL(t.Context()); !errors.Is(err, gateway.ErrNotFound) {
		t.Errorf("stored %+v, %v", known, err)
	}
	m.serve(oldURL)
	if found := m.stop(); len(found) > 0 {
		t.Errorf("problems: %+v", found)
	}
	m.serve("http://localhost:8080") // such as a copy of the database on another machine
	if found := m.stop(); len(found) != 1 || found[0].Source != "url:http://localhost:8080" {
		t.Errorf("problems: %+v", found)
	}
}

// TestStoreFailureDoesNotStopTheStart: a gateway whose store cannot be written still serves, as it did before.
func TestStoreFailureDoesNotStopTheStart(t *testing.T) {
	t.Parallel()
	m := &moved{gatewayFixture: newFixture(t)}
	m.store = noURLs{m.store}
	_, log := m.serve(oldURL)
	m.stop()
	if !strings.Contains(log.String(), "address of the gateway not compared") {
		t.Errorf("log: %s", log)
	}
}

// noURLs is a store that fails to store an address.
type noURLs struct{ gateway.Store }

func (noURLs) RememberURL(context.Context, string, time.Time) (gateway.ServedURL, error) {
	return gateway.ServedURL{}, gateway.ErrUnavailable
}
