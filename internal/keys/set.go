package keys

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// SetConfig is the configuration of a [Set]. Store and Sealer are required; the zero value of every
// other field works.
type SetConfig struct {
	Store  gateway.Keys
	Sealer *Sealer

	Algs   []string         // algorithms to sign with; nil = RS256 and ES256
	Period time.Duration    // how long a key signs; 0 = 90 days
	Lead   time.Duration    // how long a key is published before it signs; 0 = 24 h
	Keep   time.Duration    // how long a replaced key stays published; 0 = 35 days; Set.SetKeep changes it
	Reload time.Duration    // how often Run reads the store; 0 = 10 s
	Now    func() time.Time // nil = time.Now
	Logger *slog.Logger     // nil discards

	// Replaced is called when this process has created a key that will replace another one. It must
	// not call methods of the Set. nil = no call.
	Replaced func(context.Context)
}

// Set is the set of signing keys. All replicas with the same store have the same keys. The keys are
// in memory too, so signing and publishing continue while the store is unavailable. All methods are
// safe for concurrent use.
type Set struct {
	cfg     SetConfig
	current atomic.Pointer[snapshot] // the keys in memory
	reading sync.Mutex               // locked while the store is read or changed; also guards cfg.Keep
}

// OpenSet reads the keys from the store. It creates a key for each algorithm that has none. It
// seals (encrypts) keys again if an older master key has sealed them. It returns [ErrMasterKey]
// when SetConfig.Sealer does not have the master key of a signing key.
func OpenSet(ctx context.Context, cfg SetConfig) (*Set, error) {
	if cfg.Store == nil || cfg.Sealer == nil {
		return nil, errors.New("keys: SetConfig.Store and SetConfig.Sealer are required")
	}
	if cfg.Algs == nil {
		cfg.Algs = []string{RS256, ES256}
	}
	for _, alg := range cfg.Algs {
		if alg != RS256 && alg != ES256 {
			return nil, fmt.Errorf("keys: no signing keys of kind %q", alg)
		}
	}
	defaultTo(&cfg.Period, 90*24*time.Hour)
	defaultTo(&cfg.Lead, 24*time.Hour)
	// An app that signs its user out sends the ID token of the sign-in (id_token_hint). The gateway
	// must still verify the token at the end of a session of 30 days.
	defaultTo(&cfg.Keep, 35*24*time.Hour)
	defaultTo(&cfg.Reload, 10*time.Second)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Set{cfg: cfg}
	if err := s.Maintain(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

func defaultTo(d *time.Duration, value time.Duration) {
	if *d == 0 {
		*d = value
	}
}

// SetKeep sets SetConfig.Keep for the keys that are replaced from now on.
func (s *Set) SetKeep(d time.Duration) {
	s.reading.Lock()
	defer s.reading.Unlock()
	s.cfg.Keep = d
}

// CheckMasterKey checks that sealer can open every signing key of the store. Keys that have expired
// at now are skipped. It returns [ErrMasterKey] when a master key is missing. It changes nothing.
func CheckMasterKey(ctx context.Context, store gateway.Keys, sealer *Sealer, now time.Time) error {
	stored, err := store.Keys(ctx)
	if err != nil {
		return err
	}
	for _, k := range stored {
		if k.Use != useSign || !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt) {
			continue
		}
		if _, err := sealer.Open(sealPurpose, k.ID, k.Sealed); err != nil {
			return fmt.Errorf("keys: open %s: %w", k.ID, err)
		}
	}
	return nil
}

// Run calls [Set.Maintain] every SetConfig.Reload until ctx ends. When the store is unavailable, it
// logs the error and tries again; the keys in memory continue to work.
func (s *Set) Run(ctx context.Context) {
	tick := time.NewTicker(s.cfg.Reload)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := s.Maintain(ctx); err != nil && ctx.Err() == nil {
				s.cfg.Logger.WarnContext(ctx, "signing keys not updated, known keys used", "error", err)
			}
		}
	}
}

// Maintain reads the keys again, since other replicas may have created some. Then it does what is
// due:
//
//   - It creates the next key when the newest key has at most SetConfig.Lead left to sign.
//   - It stores the expiry time of each replaced key.
//   - It seals keys again after the master key was replaced.
func (s *Set) Maintain(ctx context.Context) error {
	s.reading.Lock()
	defer s.reading.Unlock()
	snap, err := s.load(ctx)
	if err != nil {
		return err
	}
	changed := false
	for _, alg := range s.cfg.Algs {
		created, err := s.createDue(ctx, snap, alg)
		if err != nil {
			return err
		}
		changed = changed || created
	}
	// snap has no keys that were created above. The next call stores when their predecessors expire.
	updated, err := s.expireAndReseal(ctx, snap)
	if err != nil {
		return err
	}
	if changed || updated {
		if snap, err = s.load(ctx); err != nil {
			return err
		}
	}
	s.current.Store(snap)
	return nil
}

// ActivationDelay returns how long after [Set.Rotate] the new key begins to sign, if Rotate was
// called because an older key leaked (atOnce). When the new key begins to sign, the older keys expire
// and are no longer published. By that time every replica has read the new key, even if reading the store
// failed once.
//
// With a shorter delay, apps could reject valid tokens. A replica might sign with the new key while
// another replica publishes a key set without it. Or a replica might sign with the old key while
// another replica no longer publishes it.
func (s *Set) ActivationDelay() time.Duration { return 3 * s.cfg.Reload }

// Rotate creates a new key for alg. Without atOnce, the new key signs after SetConfig.Lead. atOnce
// is for a key that leaked: the new key signs after [Set.ActivationDelay]. All older keys of alg
// expire at that time, and their tokens become invalid. The clocks of the replicas must agree.
func (s *Set) Rotate(ctx context.Context, alg string, atOnce bool) error {
	s.reading.Lock()
	defer s.reading.Unlock()
	snap, err := s.load(ctx)
	if err != nil {
		return err
	}
	active := s.cfg.Now().Add(s.cfg.Lead)
	if atOnce {
		active = s.cfg.Now().Add(s.ActivationDelay())
	}
	if err := s.create(ctx, snap, alg, active); err != nil {
		return err
	}
	if atOnce {
		for _, k := range snap.keys {
			if k.alg == alg {
				// The older key is replaced and expires at the same time.
				if err := s.cfg.Store.SetKeyEnd(ctx, k.stored.ID, active, active); err != nil {
					return fmt.Errorf("keys: replace %s: %w", k.stored.ID, err)
				}
			}
		}
	}
	snap, err = s.load(ctx)
	if err != nil {
		return err
	}
	s.current.Store(snap)
	return nil
}

// Status is one signing key for an administrator.
type Status struct {
	ID    string // kid
	Slot  string // numbered place among the keys of the algorithm, such as "sign/RS256/3"
	Alg   string // such as "RS256"
	State string // "next" (does not sign yet), "active" or "replaced" (a newer key signs instead)

	CreatedAt  time.Time
	ActiveAt   time.Time // signs from this time on
	ReplacedAt time.Time // a newer key signs from this time on; zero = not planned
	ExpiresAt  time.Time // is published until this time; zero = not planned
}

// List returns every published key, in the order of ActiveAt.
func (s *Set) List() []Status {
	snap, now := s.current.Load(), s.cfg.Now()
	var out []Status
	for _, k := range snap.published(now) {
		status := Status{ID: k.stored.ID, Slot: k.stored.Slot, Alg: k.alg, State: "replaced",
			CreatedAt: k.stored.CreatedAt, ActiveAt: k.stored.ActiveAt, ReplacedAt: k.stored.ReplacedAt,
			ExpiresAt: k.stored.ExpiresAt}
		switch {
		case k == snap.active(k.alg, now):
			status.State = "active"
		case k.stored.ActiveAt.After(now):
			status.State = "next"
		}
		out = append(out, status)
	}
	return out
}

// ActiveSince returns for each algorithm when the key in use began to sign.
func (s *Set) ActiveSince() map[string]time.Time {
	snap, now := s.current.Load(), s.cfg.Now()
	out := map[string]time.Time{}
	for _, alg := range s.cfg.Algs {
		if k := snap.active(alg, now); k != nil {
			out[alg] = k.stored.ActiveAt
		}
	}
	return out
}

// createDue creates a key of alg when there is none. It also creates a key when the newest key has
// at most SetConfig.Lead left to sign. It reports whether it created a key.
func (s *Set) createDue(ctx context.Context, snap *snapshot, alg string) (bool, error) {
	now := s.cfg.Now()
	newest := snap.newest(alg, now)
	switch {
	case newest == nil:
		return true, s.create(ctx, snap, alg, now)
	case !now.Before(newest.stored.ActiveAt.Add(s.cfg.Period - s.cfg.Lead)):
		return true, s.create(ctx, snap, alg, now.Add(s.cfg.Lead))
	}
	return false, nil
}

// create stores a new key that signs from active on. The keys of an algorithm have numbered places,
// the slots, and the new key gets the next free slot. When two replicas create a key at the same
// moment, both choose the same slot. The store accepts only the first key, and both replicas use
// this key.
func (s *Set) create(ctx context.Context, snap *snapshot, alg string, active time.Time) error {
	der, kid, err := newPrivateKey(alg)
	if err != nil {
		return err
	}
	sealed, err := s.cfg.Sealer.Seal(sealPurpose, kid, der)
	if err != nil {
		return err
	}
	key := gateway.Key{
		ID: kid, Slot: snap.nextSlot(alg), Use: useSign, Alg: alg, Sealed: sealed,
		CreatedAt: s.cfg.Now(), ActiveAt: active,
	}
	err = s.cfg.Store.PutKey(ctx, key)
	if errors.Is(err, gateway.ErrConflict) {
		return nil // another replica has created a key in this slot
	}
	if err != nil {
		return fmt.Errorf("keys: store the new %s key: %w", alg, err)
	}
	s.cfg.Logger.InfoContext(ctx, "signing key created", "key", kid, "slot", key.Slot, "signs_from", active)
	if s.cfg.Replaced != nil && snap.newest(alg, s.cfg.Now()) != nil {
		s.cfg.Replaced(ctx)
	}
	return nil
}

// expireAndReseal stores the expiry time of each replaced key. It also seals keys again if an older
// master key has sealed them. If a key needs both changes, the second follows at the next call.
func (s *Set) expireAndReseal(ctx context.Context, snap *snapshot) (changed bool, err error) {
	now := s.cfg.Now()
	for _, k := range snap.published(now) {
		next := snap.successor(k, now)
		switch {
		case next != nil && k.stored.ReplacedAt.IsZero():
			err = s.cfg.Store.SetKeyEnd(ctx, k.stored.ID, next.stored.ActiveAt, next.stored.ActiveAt.Add(s.cfg.Keep))
		case !s.cfg.Sealer.Current(k.stored.Sealed):
			err = s.reseal(ctx, k)
		default:
			continue
		}
		if err != nil {
			return changed, fmt.Errorf("keys: update %s: %w", k.stored.Slot, err)
		}
		changed = true
	}
	return changed, nil
}

// reseal opens a key and seals it with the current master key.
func (s *Set) reseal(ctx context.Context, k *signingKey) error {
	der, err := s.cfg.Sealer.Open(sealPurpose, k.stored.ID, k.stored.Sealed)
	if err != nil {
		return err
	}
	sealed, err := s.cfg.Sealer.Seal(sealPurpose, k.stored.ID, der)
	if err != nil {
		return err
	}
	err = s.cfg.Store.ReplaceSealed(ctx, k.stored.ID, k.stored.Sealed, sealed)
	if errors.Is(err, gateway.ErrConflict) {
		return nil // another replica was first
	}
	return err
}
