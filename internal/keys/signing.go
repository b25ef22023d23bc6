package keys

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/weigate/weigate/internal/gateway"
)

// The algorithms that a [Set] has keys for.
const (
	RS256 = "RS256" // RSA 2048 with SHA-256: every relying party can verify it
	ES256 = "ES256" // P-256 with SHA-256: forty times cheaper to sign
)

// The types of tokens (the JOSE header typ). A token of one type is not accepted as another.
const (
	TypeJWT       = "JWT"                   // ID tokens
	TypeLogout    = "logout+jwt"            // logout tokens of OpenID Connect Back-Channel Logout
	TypeAssertion = "weigate-assertion+jwt" // signed user data for an app behind forward auth
)

// ErrToken means that a string is not a valid token of this gateway. It may be malformed, have
// another type than required, or be signed with a key that the gateway does not publish (any more).
var ErrToken = errors.New("keys: not a token of this gateway")

const (
	useSign     = "sign"        // gateway.Key.Use of the keys of a Set
	sealPurpose = "signing key" // the purpose for Sealer.Seal and Sealer.Open
	rsaBits     = 2048
)

// signingKey is a key of the store, decrypted. Its id (kid) is the thumbprint of its public key
// (RFC 7638), so two keys never have equal ids. This matters after the database was replaced: apps
// may still have the key set of the earlier database in their caches.
type signingKey struct {
	stored  gateway.Key
	alg     string
	public  jose.JSONWebKey
	signers map[string]jose.Signer // by token type (typ)
}

// snapshot has all signing keys as one read of the store returned them, including expired keys. It
// is immutable.
type snapshot struct {
	keys []*signingKey // sorted by ActiveAt, then by id
	read time.Time     // when the store was read
}

// Sign signs claims, which are JSON, with the active key of alg, and returns the token in the
// compact form. typ is the type of the token: [TypeJWT], [TypeLogout] or [TypeAssertion].
func (s *Set) Sign(alg, typ string, claims []byte) (string, error) {
	k := s.current.Load().active(alg, s.cfg.Now())
	if k == nil {
		return "", fmt.Errorf("keys: there is no %s key to sign with", alg)
	}
	signer, ok := k.signers[typ]
	if !ok {
		return "", fmt.Errorf("keys: no token type %q", typ)
	}
	jws, err := signer.Sign(claims)
	if err != nil {
		return "", fmt.Errorf("keys: sign with %s: %w", k.stored.ID, err)
	}
	return jws.CompactSerialize()
}

// Verify checks the signature of a compact token of the given type and returns its claims, which
// are JSON. It does not check times: the caller decides whether an expired token is accepted. The
// only error to test for is [ErrToken].
//
// If the key of the token is unknown, another replica may have created the key. Verify then reads
// the store again, at most once a second.
func (s *Set) Verify(ctx context.Context, typ, token string) ([]byte, error) {
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{RS256, ES256})
	if err != nil || len(jws.Signatures) != 1 {
		return nil, ErrToken
	}
	header := jws.Signatures[0].Protected
	if got, _ := header.ExtraHeaders[jose.HeaderType].(string); got != typ {
		return nil, ErrToken
	}
	k := s.current.Load().byKeyID(header.KeyID, s.cfg.Now())
	if k == nil && s.refresh(ctx, time.Second) {
		k = s.current.Load().byKeyID(header.KeyID, s.cfg.Now())
	}
	if k == nil || header.Algorithm != k.alg {
		return nil, ErrToken
	}
	claims, err := jws.Verify(k.public)
	if err != nil {
		return nil, ErrToken
	}
	return claims, nil
}

// JWKS returns the published keys of some algorithms as a JSON Web Key Set: public members only,
// with kid, alg and use. Without algorithms it returns all keys. RSA keys come first, because some
// apps use the first key.
//
// An app requests the set when a token has a kid that the app does not know. Another replica may
// have created this key a moment ago. So JWKS reads the store again if the keys in memory are older
// than five seconds.
func (s *Set) JWKS(ctx context.Context, algs ...string) ([]byte, error) {
	s.refresh(ctx, 5*time.Second)
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	published := s.current.Load().published(s.cfg.Now())
	for _, alg := range []string{RS256, ES256} {
		for _, k := range published {
			if k.alg == alg && (len(algs) == 0 || slices.Contains(algs, alg)) {
				set.Keys = append(set.Keys, k.public)
			}
		}
	}
	out, err := json.Marshal(set)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	return out, nil
}

// refresh reads the store if the keys in memory are older than age. It reports whether it replaced
// the keys in memory. It does not wait while another goroutine reads the store: it then returns
// false. It also returns false when the store is unavailable.
func (s *Set) refresh(ctx context.Context, age time.Duration) bool {
	since := s.cfg.Now().Sub(s.current.Load().read)
	if since >= 0 && since < age { // below 0, the clock was set back
		return false
	}
	if !s.reading.TryLock() {
		return false
	}
	defer s.reading.Unlock()
	snap, err := s.load(ctx)
	if err != nil {
		s.cfg.Logger.WarnContext(ctx, "signing keys not read, known keys used", "error", err)
		return false
	}
	s.current.Store(snap)
	return true
}

// load reads the store and returns a new snapshot. A key that is unchanged is copied from the
// current snapshot, because opening a sealed RSA key is slow.
func (s *Set) load(ctx context.Context) (*snapshot, error) {
	stored, err := s.cfg.Store.Keys(ctx)
	if err != nil {
		return nil, fmt.Errorf("keys: read the signing keys: %w", err)
	}
	known := map[string]*signingKey{}
	if old := s.current.Load(); old != nil {
		for _, k := range old.keys {
			known[k.stored.ID+string(k.stored.Sealed)] = k
		}
	}
	snap := &snapshot{read: s.cfg.Now()}
	for _, row := range stored {
		if row.Use != useSign {
			continue
		}
		k := &signingKey{}
		expired := !row.ExpiresAt.IsZero() && !row.ExpiresAt.After(snap.read)
		if old := known[row.ID+string(row.Sealed)]; old != nil {
			*k = *old
		} else if expired {
			// An expired key is not opened: only its slot is needed (see nextSlot), and its master
			// key may have been removed.
			k.alg = row.Alg
		} else if err := k.open(s.cfg.Sealer, row); err != nil {
			return nil, fmt.Errorf("signing key %s: %w", row.Slot, err)
		}
		k.stored = row
		snap.keys = append(snap.keys, k)
	}
	slices.SortFunc(snap.keys, func(a, b *signingKey) int {
		if c := a.stored.ActiveAt.Compare(b.stored.ActiveAt); c != 0 {
			return c
		}
		return strings.Compare(a.stored.ID, b.stored.ID)
	})
	return snap, nil
}

// open decrypts the private key of row, and sets alg, public and signers of k.
func (k *signingKey) open(sealer *Sealer, row gateway.Key) error {
	der, err := sealer.Open(sealPurpose, row.ID, row.Sealed)
	if err != nil {
		return err
	}
	private, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return ErrTampered
	}
	signer, ok := private.(crypto.Signer)
	if !ok {
		return ErrTampered
	}
	k.alg = row.Alg
	if k.public, err = publicKey(row.Alg, signer.Public()); err != nil {
		return err
	}
	if k.public.KeyID != row.ID {
		return ErrTampered
	}
	k.signers = map[string]jose.Signer{}
	for _, typ := range []string{TypeJWT, TypeLogout, TypeAssertion} {
		k.signers[typ], err = jose.NewSigner(
			jose.SigningKey{Algorithm: jose.SignatureAlgorithm(row.Alg), Key: jose.JSONWebKey{Key: private, KeyID: row.ID}},
			(&jose.SignerOptions{}).WithType(jose.ContentType(typ)))
		if err != nil {
			return fmt.Errorf("keys: %w", err)
		}
	}
	return nil
}

// publicKey returns a public key as a JSON Web Key, with its thumbprint as kid.
func publicKey(alg string, public crypto.PublicKey) (jose.JSONWebKey, error) {
	jwk := jose.JSONWebKey{Key: public, Algorithm: alg, Use: "sig"}
	thumbprint, err := jwk.Thumbprint(crypto.SHA256)
	if err != nil {
		return jwk, fmt.Errorf("keys: %w", err)
	}
	jwk.KeyID = base64.RawURLEncoding.EncodeToString(thumbprint)
	return jwk, nil
}

// newPrivateKey returns a new private key in PKCS #8, and its kid.
func newPrivateKey(alg string) (der []byte, kid string, err error) {
	var private crypto.Signer
	switch alg {
	case RS256:
		private, err = rsa.GenerateKey(rand.Reader, rsaBits)
	case ES256:
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	default:
		err = fmt.Errorf("no signing keys of kind %q", alg)
	}
	if err != nil {
		return nil, "", fmt.Errorf("keys: %w", err)
	}
	if der, err = x509.MarshalPKCS8PrivateKey(private); err != nil {
		return nil, "", fmt.Errorf("keys: %w", err)
	}
	public, err := publicKey(alg, private.Public())
	return der, public.KeyID, err
}

// published returns the keys of the JWKS: all that have not expired, including those that do not
// sign yet. They are sorted as in the snapshot: by ActiveAt.
func (s *snapshot) published(now time.Time) []*signingKey {
	var out []*signingKey
	for _, k := range s.keys {
		if k.stored.ExpiresAt.IsZero() || k.stored.ExpiresAt.After(now) {
			out = append(out, k)
		}
	}
	return out
}

// active returns the key of alg that signs now: of the keys whose ActiveAt has passed, the newest.
// If the clock was set back, ActiveAt of all keys can be in the future. Then active returns the
// oldest key, because a key that signs too early is better than no sign-in. Without a key it
// returns nil.
func (s *snapshot) active(alg string, now time.Time) *signingKey {
	var best *signingKey
	for _, k := range s.published(now) {
		if k.alg != alg || !k.stored.ReplacedAt.IsZero() && !k.stored.ReplacedAt.After(now) {
			continue
		}
		if best == nil || !k.stored.ActiveAt.After(now) {
			best = k
		}
	}
	return best
}

// successor returns the key that has replaced k: the first later key of the same algorithm that
// already signs. It returns nil if there is none.
func (s *snapshot) successor(k *signingKey, now time.Time) *signingKey {
	for _, other := range s.published(now) {
		later := other.stored.ActiveAt.After(k.stored.ActiveAt)
		if other.alg == k.alg && later && !other.stored.ActiveAt.After(now) {
			return other
		}
	}
	return nil
}

// newest returns the published key of alg with the latest ActiveAt, or nil.
func (s *snapshot) newest(alg string, now time.Time) *signingKey {
	var best *signingKey
	for _, k := range s.published(now) {
		if k.alg == alg {
			best = k
		}
	}
	return best
}

func (s *snapshot) byKeyID(kid string, now time.Time) *signingKey {
	for _, k := range s.published(now) {
		if k.stored.ID == kid {
			return k
		}
	}
	return nil
}

// nextSlot returns the slot of the next key of alg, "sign/ALG/N". N counts the keys of alg. The
// store accepts only one key in a slot, so two replicas cannot both add key number N.
func (s *snapshot) nextSlot(alg string) string {
	prefix, last := useSign+"/"+alg+"/", 0
	for _, k := range s.keys {
		number, found := strings.CutPrefix(k.stored.Slot, prefix)
		if !found { // a key of another algorithm
			continue
		}
		if n, err := strconv.Atoi(number); err == nil {
			last = max(last, n)
		}
	}
	return prefix + strconv.Itoa(last+1)
}
