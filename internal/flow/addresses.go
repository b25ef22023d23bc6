package flow

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/weigate/weigate/internal/origin"
)

// ErrReturn is wrapped by every error of [ReturnPolicy.Check].
var ErrReturn = errors.New("return address refused")

// ReturnPolicy decides to which return addresses a browser is sent after a sign-in. An
// attacker can put any address into a link that starts a sign-in. Without the policy, the user of
// that link would end at the attacker's site (an open redirect).
//
// The program is the caller of the sign-in, for example the gateway. Check returns the canonical
// form of an address. The canonical form of an address of the program is a path ("/x?y#z"). The
// canonical form of an address of another origin is an absolute URL.
type ReturnPolicy struct {
	Origin         string          // the program's own origin, such as https://app.example.com
	Prefix         string          // the path below which the program is served; "" at the root
	AllowedOrigins map[string]bool // other origins that a return address can have
	MaxLength      int             // greatest length of a return address, in bytes; 0 = MaxReturn

	// ReservedPaths are the paths of the sign-in itself, below Prefix. Check rejects them, because
	// the user must end on a page of the program, not in the sign-in again. An entry "/x/" reserves
	// /x and everything below /x.
	ReservedPaths []string
}

// Home returns the return address for a request without one.
func (p *ReturnPolicy) Home() string { return p.Prefix + "/" }

// OrHome returns address, or Home for "".
func (p *ReturnPolicy) OrHome(address string) string {
	if address == "" {
		return p.Home()
	}
	return address
}

// Absolute returns the absolute URL of an address that Check returned. Absolute uses Origin and not
// the Host header, because the client chooses the Host header.
func (p *ReturnPolicy) Absolute(address string) string {
	if strings.HasPrefix(address, "/") {
		return p.Origin + address
	}
	return address
}

// Check returns the canonical form of a return address, or an error that wraps [ErrReturn]. Check
// rejects every address that browsers and servers might parse differently. Examples are addresses
// with backslashes, tabs, missing slashes or a user name. Check never corrects an address.
func (p *ReturnPolicy) Check(address string) (string, error) {
	if address == "" {
		return p.Home(), nil
	}
	longest := cmp.Or(p.MaxLength, MaxReturn)
	if len(address) > longest {
		return "", fmt.Errorf("%w: longer than %d bytes", ErrReturn, longest)
	}
	if err := origin.CheckBytes(address); err != nil {
		return "", fmt.Errorf("%w: %w", ErrReturn, err)
	}
	base, rest := p.Origin, address
	if !strings.HasPrefix(address, "/") {
		var err error
		if base, rest, err = origin.Split(address); err != nil {
			return "", fmt.Errorf("%w: %w", ErrReturn, err)
		}
		if base != p.Origin && !p.AllowedOrigins[base] {
			return "", fmt.Errorf("%w: its host is not among the return hosts", ErrReturn)
		}
	}
	decoded, err := origin.CheckPath(rest)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrReturn, err)
	}
	if base == p.Origin {
		if p.reserved(decoded) {
			return "", fmt.Errorf("%w: it is an address of the sign-in itself", ErrReturn)
		}
		return rest, nil
	}
	// Split adds a slash to "https://host", so the canonical form can be longer than address.
	if len(base)+len(rest) > longest {
		return "", fmt.Errorf("%w: longer than %d bytes", ErrReturn, longest)
	}
	return base + rest, nil
}

// reserved reports whether a path is one of ReservedPaths. The path has no percent-encoding any
// more.
func (p *ReturnPolicy) reserved(decoded string) bool {
	below, found := strings.CutPrefix(decoded, p.Prefix)
	if !found {
		return false
	}
	below = strings.TrimSuffix(below, "/") // "/sign-out/" is served like "/sign-out"
	for _, path := range p.ReservedPaths {
		if below == path || strings.HasSuffix(path, "/") && strings.HasPrefix(below+"/", path) {
			return true
		}
	}
	return false
}

// maxAvatar is the greatest length of the URL of an avatar, in bytes.
const maxAvatar = 1000

// SafeAvatar returns the URL of an avatar for a page, or "" if the page must not show the avatar.
// SafeAvatar accepts the origins in allowed, and every host below qlogo.cn, where WeChat stores
// avatars. Old avatars at qlogo.cn still have http URLs. SafeAvatar changes these URLs to https,
// because the hosts support https too.
func SafeAvatar(address string, allowed map[string]bool) string {
	u, err := url.Parse(address)
	if err != nil || u.User != nil || u.Opaque != "" || len(address) > maxAvatar ||
		strings.ContainsAny(address, "\"'<>\\` ") {
		return ""
	}
	avatarOrigin, err := origin.Canonical(u.Scheme + "://" + u.Host)
	if err != nil {
		return ""
	}
	if allowed[avatarOrigin] {
		return u.String()
	}
	if !strings.HasSuffix(strings.ToLower(u.Host), ".qlogo.cn") {
		return ""
	}
	u.Scheme = "https"
	return u.String()
}
