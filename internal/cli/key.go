package cli

import (
	"slices"
	"time"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/app"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/internal/lang"
)

// keyCmd is "weigate key". Signing keys sign ID tokens, and are in the store. The master key seals
// (encrypts) the signing keys, and is not in the store.
type keyCmd struct {
	List   keyListCmd   `cmd:"" help:"List the signing keys and their master keys."`
	Rotate keyRotateCmd `cmd:"" help:"Create a new signing key. The gateway does so every 90 days."`
	Reseal keyResealCmd `cmd:"" help:"Seal everything with the current master key, so that older ones can be removed."`
}

// eventKeyRotated is the kind of the event that "weigate key rotate" records.
const eventKeyRotated = "key_rotated"

// keyListCmd is "weigate key list".
type keyListCmd struct{ adminFlags }

// Run prints the signing keys. It does not create any.
func (c *keyListCmd) Run(s *invocation) error {
	conf, store, err := c.open(s)
	if err != nil {
		return err
	}
	defer store.Close()
	all, err := store.Keys(s.ctx)
	if err != nil {
		return err
	}
	if len(all) == 0 && !c.JSON {
		s.out.printf("No keys: the first start creates them.")
		return nil
	}
	master, err := loadMasterKey(conf)
	if err != nil && len(all) > 0 { // without signing keys, there may be no master key yet
		return err
	}
	if c.JSON {
		return printKeys(s.out, all, master)
	}
	var rows []row
	for _, k := range all {
		until := "-"
		if !k.ExpiresAt.IsZero() {
			until = s.formatTime(k.ExpiresAt)
		}
		sealed := lang.Text("older: weigate key reseal")
		if master.Current(k.Sealed) {
			sealed = lang.Text("%s", master.IDs()[0])
		}
		rows = append(rows, cells(k.ID, k.Alg, s.word("key_state", administration.KeyState(k, all, time.Now())),
			s.formatTime(k.ActiveAt), until, sealed))
	}
	return s.out.printTable("KEY | ALG | STATE | SIGNS FROM | PUBLISHED UNTIL | MASTER KEY", rows)
}

// keyEntry is a JSON object of "weigate key list --json".
type keyEntry struct {
	signingKeyItem
	MasterKey string `json:"master_key"` // id of the current master key if it seals the key; "" = an older one
}

// printKeys prints signing keys as JSON.
func printKeys(p printer, all []gateway.Key, master *keys.Sealer) error {
	for _, k := range all {
		if err := p.printJSON(newKeyEntry(k, all, master)); err != nil {
			return err
		}
	}
	return nil
}

func newKeyEntry(k gateway.Key, all []gateway.Key, master *keys.Sealer) keyEntry {
	entry := keyEntry{signingKeyItem: signingKeyItem{
		ID: k.ID, Alg: k.Alg, State: administration.KeyState(k, all, time.Now()), CreatedAt: k.CreatedAt.UTC(),
		ActiveAt: k.ActiveAt.UTC(), ExpiresAt: k.ExpiresAt.UTC(),
	}}
	if master.Current(k.Sealed) {
		entry.MasterKey = master.IDs()[0]
	}
	return entry
}

// keyRotateCmd is "weigate key rotate".
type keyRotateCmd struct {
	adminFlags
	Alg string `enum:"RS256,ES256,all" default:"all" help:"Algorithm: RS256, ES256 or all (${default})."`
	Now bool   `help:"After a leak: use the new key in half a minute instead of a day, and reject the old ones."`
}

// Run creates new keys. A running gateway reads them within seconds.
func (c *keyRotateCmd) Run(s *invocation) error {
	conf, store, err := c.open(s)
	if err != nil {
		return err
	}
	defer store.Close()
	master, err := loadMasterKey(conf)
	if err != nil {
		return err
	}
	algs := []string{keys.RS256, keys.ES256}
	if c.Alg != "all" {
		algs = []string{c.Alg}
	}
	set, err := keys.OpenSet(s.ctx, keys.SetConfig{Store: store, Sealer: master, Keep: app.KeepReplacedKeys(conf)})
	if err != nil {
		return masterKeyHint(err)
	}
	when := lang.Text("in 24 hours")
	if c.Now {
		when = lang.Text("in %d seconds, when older keys become invalid", int(set.ActivationDelay().Seconds()))
	}
	for _, alg := range algs {
		if err := set.Rotate(s.ctx, alg, c.Now); err != nil {
			return err
		}
		event := gateway.Event{
			At: time.Now(), Kind: eventKeyRotated, Outcome: "ok", Actor: gateway.ActorCommand,
			Detail: "algorithm " + alg,
		}
		if err := store.AppendEvents(s.ctx, event); err != nil {
			return lang.Errorf("%s key created, but event not recorded: %w", alg, err)
		}
		if !c.JSON {
			s.out.printf("%s  new key created, signs %s", alg, when)
		}
	}
	if c.JSON {
		if err := printNewKeys(s, store, master, algs); err != nil {
			return err
		}
	}
	notifier, err := app.NewNotifier(conf, store)
	if err != nil {
		return err
	}
	if err := notifier.Add(s.ctx, gateway.Notice{Kind: gateway.NoticeKeyRotated, At: time.Now()}); err != nil {
		return lang.Errorf("key created, but administrators are not notified: %w", err)
	}
	return nil
}

// printNewKeys prints the newest key of each algorithm as JSON.
func printNewKeys(s *invocation, store gateway.Store, master *keys.Sealer, algs []string) error {
	all, err := store.Keys(s.ctx)
	if err != nil {
		return err
	}
	for _, alg := range algs {
		ofAlg := slices.DeleteFunc(slices.Clone(all), func(k gateway.Key) bool { return k.Alg != alg })
		newest := slices.MaxFunc(ofAlg, func(x, y gateway.Key) int { return x.CreatedAt.Compare(y.CreatedAt) })
		if err := s.out.printJSON(newKeyEntry(newest, all, master)); err != nil {
			return err
		}
	}
	return nil
}

// keyResealCmd is "weigate key reseal".
type keyResealCmd struct{ adminFlags }

// Run encrypts all signing keys again with the current master key, so that older master keys can be
// removed. The gateway does the same when it starts.
func (c *keyResealCmd) Run(s *invocation) error {
	conf, store, err := c.open(s)
	if err != nil {
		return err
	}
	defer store.Close()
	master, err := loadMasterKey(conf)
	if err != nil {
		return err
	}
	// OpenSet opens the keys that an older master key has sealed, and seals them with the current
	// master key.
	_, err = keys.OpenSet(s.ctx, keys.SetConfig{Store: store, Sealer: master, Keep: app.KeepReplacedKeys(conf)})
	if err != nil {
		return masterKeyHint(err)
	}
	all, err := store.Keys(s.ctx)
	if err != nil {
		return err
	}
	older := 0 // valid keys that are still sealed with an older master key
	for _, k := range all {
		if !master.Current(k.Sealed) && (k.ExpiresAt.IsZero() || time.Now().Before(k.ExpiresAt)) {
			older++
		}
	}
	if older > 0 {
		err := lang.Errorf("%s still sealed with an older master key", lang.Count(older, "1 key", "%d keys"))
		return withHint(err, "run it again")
	}
	if c.JSON {
		return s.out.printJSON(struct {
			MasterKey string   `json:"master_key"`
			Older     []string `json:"older"` // can be removed when every replica has the current master key
			Keys      int      `json:"keys"`
		}{master.IDs()[0], slices.Clone(master.IDs()[1:]), len(all)})
	}
	s.out.printf("Everything is sealed with the master key %s.", master.IDs()[0])
	if len(master.IDs()) > 1 {
		s.out.printf("Older master keys can be removed when every replica has this one first, and the longest of\n" +
			"session.max and lifetimes.refresh has passed: sessions and refresh tokens of that time need them.")
	}
	return nil
}
