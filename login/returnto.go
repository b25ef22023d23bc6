package login

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/weigate/weigate/internal/origin"
)

// ErrReturn is wrapped by every refusal of a return address.
var ErrReturn = errors.New("login: return address refused")

// returnPolicy decides where a person may be sent after signing in. Addresses of
// the own origin are kept as a path ("/x?y#z"), others as an absolute address.
type returnPolicy struct {
	own     string          // origin, such as https://app.example.com
	prefix  string          // path of Config.URL, "" at the root
	allowed map[string]bool // origins, own included
}

// home is where a person goes when no address was asked for.
func (p *returnPolicy) home() string { return p.prefix + "/" }

// absolute turns an address that check returned into one for a Location header
// or a link. It never depends on the request's Host.
func (p *returnPolicy) absolute(address string) string {
	if strings.HasPrefix(address, "/") {
		return p.own + address
	}
	return address
}

// check returns the address in the form that is kept, or an error that wraps
// ErrReturn. It refuses rather than repairs: browsers read backslashes, tabs,
// missing slashes and user names in addresses in ways of their own, and what is
// let through here is exactly what they and we read alike.
func (p *returnPolicy) check(raw string) (string, error) {
	if raw == "" {
		return p.home(), nil
	}
	if len(raw) > MaxReturn {
		return "", fmt.Errorf("%w: longer than %d bytes", ErrReturn, MaxReturn)
	}
	if err := origin.CheckBytes(raw); err != nil {
		return "", fmt.Errorf("%w: %w", ErrReturn, err)
	}
	base, rest := p.own, raw
	if !strings.HasPrefix(raw, "/") {
		var err error
		if base, rest, err = origin.Split(raw); err != nil {
			return "", fmt.Errorf("%w: %w", ErrReturn, err)
		}
		if !p.allowed[base] {
			return "", fmt.Errorf("%w: its host is not among the return hosts", ErrReturn)
		}
	}
	decoded, err := origin.CheckPath(rest)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrReturn, err)
	}
	if base == p.own {
		if p.isOurs(decoded) {
			return "", fmt.Errorf("%w: it is an address of the sign-in itself", ErrReturn)
		}
		return rest, nil
	}
	if len(base)+len(rest) > MaxReturn {
		return "", fmt.Errorf("%w: longer than %d bytes", ErrReturn, MaxReturn)
	}
	return base + rest, nil
}

// isOurs says whether a decoded path is one of this handler's, where a return
// would go round in a circle.
func (p *returnPolicy) isOurs(decoded string) bool {
	below, found := strings.CutPrefix(decoded, p.prefix)
	if !found {
		return false
	}
	below = strings.TrimSuffix(below, "/")
	return below == pathStart || strings.HasPrefix(below, pathStart+"/") || below == pathCallback || strings.HasPrefix(below, pathCallback+"/") || below == pathSignOut
}

// cleanPrefix checks the path of Config.URL.
func cleanPrefix(p string) (string, error) {
	p = strings.TrimSuffix(p, "/")
	if p != "" && (path.Clean(p) != p || !strings.HasPrefix(p, "/") || strings.ContainsAny(p, "%;, \\")) {
		return "", errors.New("has an unusual path")
	}
	for _, c := range []byte(p) {
		if c <= ' ' || c >= 0x7f {
			return "", errors.New("has a path that is not ASCII")
		}
	}
	return p, nil
}
