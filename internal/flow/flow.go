package flow

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/weigate/weigate/internal/seal"
	"github.com/weigate/weigate/wechat"
)

// Limits of one flow (an authorization in progress at WeChat). The largest flow cookie has 2,900
// bytes. That is less than the 3 KB for all flow cookies together (maxFlowCookies) and the 4 KB
// that browsers accept for one cookie.
const (
	// MaxReturn is the greatest length of a return address, in bytes.
	MaxReturn = 1500
	// MaxData is the greatest length of Request.Data, in bytes, with the longest return address.
	// With a shorter return address, Data can be longer: both together can have MaxReturn+MaxData
	// bytes.
	MaxData = 512
	// Lifetime is how long a flow can be completed. WeChat's codes live 5 or 10 minutes, and a user
	// needs time to consent.
	Lifetime = 15 * time.Minute

	// attemptMargin is how long an attempt is kept after the deadline of its flow. The attempt is
	// the record that the code was redeemed. Without it, a repeated callback could redeem a code
	// again.
	attemptMargin = 10 * time.Minute
	secretSize    = 16 // bytes of Flow.secret
)

// Method is a sign-in method (登录方式).
type Method string

// The methods.
const (
	MethodWeChat  Method = "wechat"  // inside WeChat, through an official account
	MethodWebsite Method = "website" // in other browsers, through a website app (网站应用)
)

// Request is what a sign-in requests of WeChat, and where the browser continues afterwards.
type Request struct {
	Method     Method
	Scope      wechat.Scope // ignored for MethodWebsite, which always has wechat.ScopeLogin
	ForcePopup bool         // WeChat shows its consent page even to users who agreed lately
	ReturnTo   string       // where the browser continues, validated by the caller; at most MaxReturn bytes
	Data       []byte       // data of the caller; see MaxData
}

// Flow is one authorization in progress, with everything that the callback needs. The flow is
// stored in an encrypted cookie of the browser that started the flow. The OAuth parameter "state"
// could not contain a flow, because it is too short and is visible in URLs. The state identifies
// the cookie.
type Flow struct {
	Request
	state    string    // the OAuth parameter "state"
	secret   []byte    // the session id is derived from it
	created  time.Time // when the browser was sent to WeChat
	deadline time.Time // when the flow expires
}

// newFlow returns a flow for req. restarts is the number of restarts that the state of the flow
// contains, see newState.
func newFlow(req Request, restarts int, now time.Time) *Flow {
	if req.Method == MethodWebsite {
		req.Scope = wechat.ScopeLogin
	}
	secret := make([]byte, secretSize)
	rand.Read(secret)
	now = now.Truncate(time.Second) // the cookie stores whole seconds
	return &Flow{Request: req, state: newState(restarts), secret: secret, created: now, deadline: now.Add(Lifetime)}
}

// A state consists of random characters and one digit: the count of restarts. Each automatic
// restart of the sign-in adds one to the count. A recent sign-in that left the browser without a
// session counts as a restart too: Engine.Start begins the count with the number of these sign-ins,
// so that the browser does not sign in again and again. The count is part of the state, because
// WeChat returns the state even when the browser loses its cookies.
//
// WeChat allows a state of at most 128 letters and digits, and returns it without escaping
// (WeChat's documentation, "Web authorization"; longer states led to error pages in production).
const (
	stateRandom = 26 // characters of [a-z2-7], 130 bits
	stateLength = stateRandom + 1
	maxRestarts = 2 // the greatest count of restarts
)

// newState returns a random state with the count of restarts.
func newState(restarts int) string {
	var raw [17]byte  // 136 bits: 16 bytes have fewer than the 130 bits of stateRandom characters
	rand.Read(raw[:]) // never fails: crypto/rand ends the program instead
	text := base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding).EncodeToString(raw[:])
	return text[:stateRandom] + strconv.Itoa(restarts)
}

// validState reports whether text has the form of a state.
func validState(text string) bool {
	if len(text) != stateLength {
		return false
	}
	for _, c := range []byte(text[:stateRandom]) {
		if (c < 'a' || c > 'z') && (c < '2' || c > '7') {
			return false
		}
	}
	last := text[stateRandom]
	return last >= '0' && last <= '0'+maxRestarts
}

// restartsOf returns the count of restarts in a valid state.
func restartsOf(state string) int { return int(state[stateRandom] - '0') }

// SessionID returns the id of the session that this flow creates, the value of the session cookie.
// The id is derived from the secret of the flow. A repeated callback therefore gets the same id in
// every process.
func (f *Flow) SessionID() (string, error) {
	id, err := seal.Derive(f.secret, "weigate flow session id", sessionIDBytes)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(id), nil
}

// MinSeed is the least length of a seed for SeedSessionID, in bytes.
const MinSeed = 16

// SeedSessionID returns the id of a session that is created without a flow, for a user who was
// authenticated by other means. The caller provides the seed, a secret. The id differs from the
// SessionID of every flow, even for equal secrets.
func SeedSessionID(seed []byte) (string, error) {
	if len(seed) < MinSeed {
		return "", fmt.Errorf("flow: a seed has %d bytes, fewer than %d", len(seed), MinSeed)
	}
	id, err := seal.Derive(seed, "weigate seed session id", sessionIDBytes)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(id), nil
}

const (
	sessionIDBytes = 32
	// SessionIDLength is the length of a session id: sessionIDBytes in base64.
	SessionIDLength = 43
)

// Hash returns the hash under which a state, a code or a session id is stored. Nobody can sign in
// with the hashes in a copy of the database.
//
// The hash needs no salt. States and session ids have at least 128 random bits. A code is
// useless soon after its hash is stored, because it is then redeemed.
//
// kind is "flow" for a state, "code" for a code, and "session" for a session id. Equal values of
// different kinds have different hashes.
func Hash(kind, value string) string {
	sum := sha256.Sum256([]byte("weigate " + kind + "\x00" + value))
	return hex.EncodeToString(sum[:])
}

// flowVersion is the first byte of an encoded flow. Change it when the encoding changes. The
// cookies of older flows then cannot be read, and their users start the sign-in again.
const flowVersion = 1

// An encoded flow contains the index of its method and of its scope in these lists. Only append to
// the lists.
var (
	flowMethods = []Method{MethodWeChat, MethodWebsite}
	flowScopes  = []wechat.Scope{wechat.ScopeBase, wechat.ScopeUserInfo, wechat.ScopeLogin}
)

// marshal encodes a flow: fields of fixed length first, then the return address and the data, each
// after its length. The encoding is compact, because all pending flows of a browser share
// maxFlowCookies bytes.
func (f *Flow) marshal() ([]byte, error) {
	method, scope := slices.Index(flowMethods, f.Method), slices.Index(flowScopes, f.Scope)
	switch {
	case method < 0 || scope < 0:
		return nil, fmt.Errorf("flow: unknown method %q or scope %q", f.Method, f.Scope)
	case len(f.ReturnTo) > MaxReturn || len(f.ReturnTo)+len(f.Data) > MaxReturn+MaxData:
		return nil, errors.New("flow: return address or data too long")
	}
	flags := byte(0)
	if f.ForcePopup {
		flags = 1
	}
	b := make([]byte, 0, 128)
	b = append(b, flowVersion, byte(method), byte(scope), flags)
	b = append(b, f.state...)
	b = append(b, f.secret...)
	b = binary.BigEndian.AppendUint64(b, uint64(f.created.Unix()))
	b = binary.BigEndian.AppendUint64(b, uint64(f.deadline.Unix()))
	b = binary.BigEndian.AppendUint16(b, uint16(len(f.ReturnTo)))
	b = append(b, f.ReturnTo...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(f.Data)))
	return append(b, f.Data...), nil
}

var errFlow = errors.New("flow: not a flow")

// unmarshalFlow decodes what marshal encoded. It checks every length, because an older version of
// this program may have sealed the cookie.
func unmarshalFlow(b []byte) (*Flow, error) {
	const header = 4    // the version, method, scope and flags, one byte each
	const times = 8 + 8 // created and deadline
	const fixed = header + stateLength + secretSize + times
	if len(b) < fixed || b[0] != flowVersion ||
		int(b[1]) >= len(flowMethods) || int(b[2]) >= len(flowScopes) || b[3] > 1 {
		return nil, errFlow
	}
	f := &Flow{Request: Request{Method: flowMethods[b[1]], Scope: flowScopes[b[2]], ForcePopup: b[3] == 1}}
	b = b[header:]
	f.state, b = string(b[:stateLength]), b[stateLength:]
	f.secret, b = slices.Clone(b[:secretSize]), b[secretSize:]
	f.created = time.Unix(int64(binary.BigEndian.Uint64(b)), 0)
	f.deadline = time.Unix(int64(binary.BigEndian.Uint64(b[8:])), 0)
	returnTo, b, ok := cutCounted(b[times:], MaxReturn)
	if !ok {
		return nil, errFlow
	}
	data, b, ok := cutCounted(b, MaxReturn+MaxData-len(returnTo))
	if !ok || len(b) != 0 || !validState(f.state) {
		return nil, errFlow
	}
	f.ReturnTo = string(returnTo)
	if len(data) > 0 {
		f.Data = slices.Clone(data)
	}
	return f, nil
}

// cutCounted reads a two-byte length and that many bytes from the beginning of b. ok is false when
// b is too short or the length exceeds limit.
func cutCounted(b []byte, limit int) (head, rest []byte, ok bool) {
	if len(b) < 2 {
		return nil, nil, false
	}
	n := int(binary.BigEndian.Uint16(b))
	if n > limit || len(b)-2 < n {
		return nil, nil, false
	}
	return b[2 : 2+n], b[2+n:], true
}
