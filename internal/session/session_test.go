package session_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/store/sqlite"
)

var start = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// rig is a book on a real store, with one account and one session.
type rig struct {
	*session.Manager
	store   *sqlite.Store
	account gateway.User
	hash    [32]byte
}

func newRig(t *testing.T) *rig {
	t.Helper()
	store, err := sqlite.Open(t.Context(), ":memory:", sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	r := &rig{store: store, hash: [32]byte{1}}
	r.Manager = &session.Manager{Sessions: store, Grants: store, Idle: time.Hour, Max: 3 * time.Hour,
		OnError: func(_ context.Context, err error) { t.Error(err) }}
	r.account, _, err = store.RecordSignIn(t.Context(), gateway.SignIn{Connector: "main", AppID: "wxa", OpenID: "o1", At: start, InitialStatus: gateway.Pending})
	if err != nil {
		t.Fatal(err)
	}
	err = store.PutSession(t.Context(), gateway.Session{Hash: r.hash, UserID: r.account.ID, Connector: "main", AppID: "wxa", OpenID: "o1", Method: "wechat",
		AuthTime: start, CreatedAt: start, SeenAt: start, ExpiresAt: r.Expiry(start, start)}, start)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestSessionLivesWhileItIsUsed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, k := range []struct {
		after time.Duration
		lives bool
	}{{50 * time.Minute, true}, {100 * time.Minute, true}, {150 * time.Minute, true}, {179 * time.Minute, true}, {180 * time.Minute, false}} {
		_, user, err := r.Find(t.Context(), r.hash, start.Add(k.after))
		if k.lives && (err != nil || user.ID != r.account.ID) {
			t.Errorf("after %v: %+v, %v", k.after, user, err)
		}
		if !k.lives && !errors.Is(err, gateway.ErrNotFound) {
			t.Errorf("after %v, past its end: %v", k.after, err)
		}
	}
}

func TestIdleSessionEnds(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if _, _, err := r.Find(t.Context(), r.hash, start.Add(time.Hour)); !errors.Is(err, gateway.ErrNotFound) {
		t.Errorf("after an idle hour: %v", err)
	}
}

// blind is a store whose session outlives the block of its account, as one might that lost its connection between two writes.
type blind struct{ *sqlite.Store }

func (b blind) SessionUser(ctx context.Context, hash [32]byte, now time.Time) (gateway.Session, gateway.User, error) {
	s, a, err := b.Store.SessionUser(ctx, hash, now)
	a.Status = gateway.Blocked
	return s, a, err
}

func TestSessionOfABlockedAccountIsNone(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.Sessions = blind{r.store}
	if _, _, err := r.Find(t.Context(), r.hash, start); !errors.Is(err, gateway.ErrNotFound) {
		t.Errorf("a blocked account's session: %v", err)
	}
}

func TestStoreAwayIsNotSignedOut(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if err := r.store.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.Find(t.Context(), r.hash, start); !errors.Is(err, gateway.ErrUnavailable) || errors.Is(err, gateway.ErrNotFound) {
		t.Errorf("while the store is away: %v", err)
	}
}

// deaf cannot revoke.
type deaf struct{}

func (deaf) Revoke(context.Context, gateway.Revocation, time.Time) (int, error) {
	return 0, gateway.ErrUnavailable
}

func TestEndEverywhereTriesBothParts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.Grants = deaf{}
	n, err := r.EndEverywhere(t.Context(), r.account.ID, start)
	if n != 1 || !errors.Is(err, gateway.ErrUnavailable) {
		t.Errorf("ended %d sessions, %v", n, err)
	}
	if _, _, err := r.Find(t.Context(), r.hash, start); !errors.Is(err, gateway.ErrNotFound) {
		t.Errorf("the session lives on: %v", err)
	}
	r.Grants = r.store
	if n, err := r.EndEverywhere(t.Context(), r.account.ID, start); n != 0 || err != nil {
		t.Errorf("again: %d, %v", n, err)
	}
}

func TestEndLeavesNoTokenBehind(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.Grants = deaf{}
	if err := r.End(t.Context(), r.hash, start); !errors.Is(err, gateway.ErrUnavailable) {
		t.Errorf("what apps have could not be ended: %v", err)
	}
	if _, _, err := r.Find(t.Context(), r.hash, start); err != nil {
		t.Errorf("the session is over before what apps have: %v", err)
	}
	r.Grants = r.store
	for range 2 {
		if err := r.End(t.Context(), r.hash, start); err != nil {
			t.Errorf("end: %v", err)
		}
	}
	if _, _, err := r.Find(t.Context(), r.hash, start); !errors.Is(err, gateway.ErrNotFound) {
		t.Errorf("the session lives on: %v", err)
	}
}

// A use that cannot be recorded keeps nobody out.
type fullDisk struct{ gateway.Sessions }

func (fullDisk) TouchSession(context.Context, [32]byte, time.Time, time.Time) error {
	return gateway.ErrUnavailable
}

func TestFullDiskKeepsNobodyOut(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	told := 0
	r.Sessions, r.OnError = fullDisk{r.store}, func(context.Context, error) { told++ }
	if _, _, err := r.Find(t.Context(), r.hash, start.Add(10*time.Minute)); err != nil || told != 1 {
		t.Errorf("find: %v, told %d times", err, told)
	}
}
