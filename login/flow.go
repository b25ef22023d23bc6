package login

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/weigate/weigate/wechat"
)

// Limits of one flow. With them the largest flow cookie is 2,900 bytes, below
// the 3 KB for all of them and the 4 KB that browsers take for one.
const (
	// MaxReturn is the length of the longest return address, in bytes.
	MaxReturn = 1500
	// MaxData is the most that StartOptions.Data holds, in bytes.
	MaxData = 512

	flowLife    = 15 * time.Minute // WeChat's codes live 5 or 10 minutes, and a person needs time to consent
	claimMargin = 10 * time.Minute // how much longer a claim is kept than its flow's cookie is taken
	secretSize  = 16
)

// A flow is one sign-in on its way: everything that the callback must know, and
// that WeChat's state is too small (and too public) to carry. It rides sealed in
// a cookie of the browser that began it.
type flow struct {
	state      string
	secret     []byte // the session id is derived from it
	scope      wechat.Scope
	method     Method
	forcePopup bool
	created    time.Time // whole seconds
	deadline   time.Time // whole seconds
	returnTo   string    // checked when the flow began
	data       []byte    // the caller's, opaque
}

func newFlow(restarts int, now time.Time) *flow {
	secret := make([]byte, secretSize)
	rand.Read(secret)
	now = now.Truncate(time.Second)
	return &flow{state: newState(restarts), secret: secret, created: now, deadline: now.Add(flowLife)}
}

// flowVersion is the first byte of a flow. A program that changes the layout
// changes it, and flows under way start again.
const flowVersion = 1

// The numbers of doors and scopes in a flow. Append only.
var (
	flowMethods = [...]Method{MethodWeChat, MethodWebsite}
	flowScopes  = [...]wechat.Scope{wechat.ScopeBase, wechat.ScopeUserInfo, wechat.ScopeLogin}
)

// marshal packs a flow: fixed fields first, then two strings with their lengths.
// A compact form matters, since ten pending sign-ins share 3 KB.
func (f *flow) marshal() ([]byte, error) {
	door, scope := -1, -1
	for i, d := range flowMethods {
		if d == f.method {
			door = i
		}
	}
	for i, s := range flowScopes {
		if s == f.scope {
			scope = i
		}
	}
	switch {
	case door < 0 || scope < 0:
		return nil, fmt.Errorf("login: unknown door %q or scope %q", f.method, f.scope)
	case len(f.returnTo) > MaxReturn || len(f.data) > MaxData:
		return nil, errors.New("login: return address or data too long")
	}
	flags := byte(0)
	if f.forcePopup {
		flags = 1
	}
	b := make([]byte, 0, 128)
	b = append(b, flowVersion, byte(door), byte(scope), flags)
	b = append(b, f.state...)
	b = append(b, f.secret...)
	b = binary.BigEndian.AppendUint64(b, uint64(f.created.Unix()))
	b = binary.BigEndian.AppendUint64(b, uint64(f.deadline.Unix()))
	b = binary.BigEndian.AppendUint16(b, uint16(len(f.returnTo)))
	b = append(b, f.returnTo...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(f.data)))
	return append(b, f.data...), nil
}

var errFlow = errors.New("login: not a flow")

// unmarshalFlow is the reverse of marshal. What it reads was sealed by this
// program or an older one, but it trusts no length.
func unmarshalFlow(b []byte) (*flow, error) {
	const fixed = 4 + stateLength + secretSize + 8 + 8
	if len(b) < fixed || b[0] != flowVersion ||
		int(b[1]) >= len(flowMethods) || int(b[2]) >= len(flowScopes) || b[3] > 1 {
		return nil, errFlow
	}
	f := &flow{method: flowMethods[b[1]], scope: flowScopes[b[2]], forcePopup: b[3] == 1}
	b = b[4:]
	f.state, b = string(b[:stateLength]), b[stateLength:]
	f.secret, b = append([]byte(nil), b[:secretSize]...), b[secretSize:]
	f.created = time.Unix(int64(binary.BigEndian.Uint64(b)), 0)
	f.deadline = time.Unix(int64(binary.BigEndian.Uint64(b[8:])), 0)
	returnTo, b, ok := cutCounted(b[16:], MaxReturn)
	if !ok {
		return nil, errFlow
	}
	data, b, ok := cutCounted(b, MaxData)
	if !ok || len(b) != 0 || !validState(f.state) {
		return nil, errFlow
	}
	f.returnTo = string(returnTo)
	if len(data) > 0 {
		f.data = append([]byte(nil), data...)
	}
	return f, nil
}

// cutCounted takes a two-byte length and that many bytes off b.
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
