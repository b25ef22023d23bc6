package cli

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/weigate/weigate/internal/app"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/keys"
)

// keyCmd is "weigate key": signing keys and the master key.
type keyCmd struct {
	List   keyListCmd   `cmd:"" help:"List the signing keys, and which master key seals each."`
	Rotate keyRotateCmd `cmd:"" help:"Make a new signing key. It happens by itself every 90 days."`
	Reseal keyResealCmd `cmd:"" help:"After a new master key was put first: seal everything with it, so that the old one can go."`
}

// eventKeyRotated is recorded for each rotation by hand.
const eventKeyRotated = "key_rotated"

// keyListCmd is "weigate key list".
type keyListCmd struct{ configured }

// Run prints the signing keys. It makes none.
func (c *keyListCmd) Run(s *session) error {
	conf, store, err := c.visit(s)
	if err != nil {
		return err
	}
	defer store.Close()
	all, err := store.Keys(s.ctx)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		s.out.say("No keys yet: the first start makes them.")
		return nil
	}
	master, err := presentMasterKey(conf)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(s.out.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "KEY\tALG\tSTATE\tSIGNS FROM\tPUBLISHED UNTIL\tMASTER KEY")
	for _, k := range all {
		until := "-"
		if !k.ExpiresAt.IsZero() {
			until = day(k.ExpiresAt)
		}
		sealed := "an older one: weigate key reseal"
		if master.Current(k.Sealed) {
			sealed = master.IDs()[0]
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, k.Alg, keyState(k, all, time.Now()), day(k.ActiveAt), until, sealed)
	}
	return table.Flush()
}

// keyState says what a key does at now: the one of its algorithm that became active last signs.
func keyState(k gateway.Key, all []gateway.Key, now time.Time) string {
	switch {
	case !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt):
		return "expired"
	case k.ActiveAt.After(now):
		return "next"
	}
	for _, other := range all {
		if other.Alg == k.Alg && other.Use == k.Use && other.ActiveAt.After(k.ActiveAt) && !other.ActiveAt.After(now) {
			return "replaced"
		}
	}
	return "active"
}

// keyRotateCmd is "weigate key rotate".
type keyRotateCmd struct {
	configured
	Alg string `enum:"RS256,ES256,all" default:"all" help:"Which: RS256, ES256 or all (${default})."`
	Now bool   `help:"For a key that leaked: in half a minute, on every replica at once, the new key signs and the old ones are believed no more. Without it the new key signs after a day."`
}

// Run makes new keys. A gateway that is serving reads them within seconds.
func (c *keyRotateCmd) Run(s *session) error {
	conf, store, err := c.visit(s)
	if err != nil {
		return err
	}
	defer store.Close()
	master, err := presentMasterKey(conf)
	if err != nil {
		return err
	}
	algs := []string{keys.RS256, keys.ES256}
	if c.Alg != "all" {
		algs = []string{c.Alg}
	}
	ring, err := keys.OpenSet(s.ctx, keys.SetConfig{Store: store, Sealer: master, Keep: app.KeepKeys(conf)})
	if err != nil {
		return wrongKey(err)
	}
	when := "signs in 24 hours"
	if c.Now {
		when = fmt.Sprintf("signs in %d seconds, on every replica at once; from then on the keys before it are believed no more", int(ring.ActivationDelay().Seconds()))
	}
	for _, alg := range algs {
		if err := ring.Rotate(s.ctx, alg, c.Now); err != nil {
			return err
		}
		event := gateway.Event{At: time.Now(), Kind: eventKeyRotated, Outcome: "ok", Detail: alg + " by the command weigate key"}
		if err := store.AppendEvents(s.ctx, event); err != nil {
			return fmt.Errorf("the new %s key is made, but could not be recorded: %w", alg, err)
		}
		s.out.say("%s  a new key is made and %s", alg, when)
	}
	return nil
}

// keyResealCmd is "weigate key reseal".
type keyResealCmd struct{ configured }

// Run seals with the first master key what an older one sealed. A gateway does the same as it starts.
func (c *keyResealCmd) Run(s *session) error {
	conf, store, err := c.visit(s)
	if err != nil {
		return err
	}
	defer store.Close()
	master, err := presentMasterKey(conf)
	if err != nil {
		return err
	}
	if _, err := keys.OpenSet(s.ctx, keys.SetConfig{Store: store, Sealer: master, Keep: app.KeepKeys(conf)}); err != nil {
		return wrongKey(err)
	}
	all, err := store.Keys(s.ctx)
	if err != nil {
		return err
	}
	older := 0
	for _, k := range all {
		if !master.Current(k.Sealed) && (k.ExpiresAt.IsZero() || time.Now().Before(k.ExpiresAt)) {
			older++
		}
	}
	if older > 0 {
		return fmt.Errorf("%s still sealed with an older master key: run it again", count(older, "key is", "keys are"))
	}
	s.out.say("Everything is sealed with the master key %s.", master.IDs()[0])
	if len(master.IDs()) > 1 {
		s.out.say("The older ones may be taken out once every replica runs with this one first, and the longest lifetimes.refresh has passed: refresh tokens hang on them.")
	}
	return nil
}
