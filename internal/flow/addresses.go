package flow

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/weigate/weigate/internal/origin"
)

// ErrReturn is wrapped by every refusal of a return address.
var ErrReturn = errors.New("return address refused")

// Returns decides where a browser may be sent after a sign-in. Addresses of the own origin are kept
// as a path ("/x?y#z"), others as an absolute address.
type ReturnPolicy struct {
	Origin         string          // origin, such as https://app.example.com
	Prefix         string          // the path below which the program is served; "" at the root
	AllowedOrigins map[string]bool // further origins
	ReservedPaths  []string        // the sign-in's own paths, below Prefix: never return addresses; "/x/" is /x and all below
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

// Absolute returns the absolute form of an address that Check returned. It does not use the Host
// header, which the client chooses.
func (p *ReturnPolicy) Absolute(address string) string {
	if strings.HasPrefix(address, "/") {
		return p.Origin + address
	}
	return address
}

// Check returns the address in the form that Returns describes, or an error that wraps [ErrReturn].
// It rejects and never repairs: browsers parse backslashes, tabs, missing slashes and user names in
// addresses differently than servers, and Check accepts only what both parse alike.
func (p *ReturnPolicy) Check(address string) (string, error) {
	if address == "" {
		return p.Home(), nil
	}
	if len(address) > MaxReturn {
		return "", fmt.Errorf("%w: longer than %d bytes", ErrReturn, MaxReturn)
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
	if len(base)+len(rest) > MaxReturn {
		return "", fmt.Errorf("%w: longer than %d bytes", ErrReturn, MaxReturn)
	}
	return base + rest, nil
}

// reserved reports whether a decoded path is one of Reserved.
func (p *ReturnPolicy) reserved(decoded string) bool {
	below, found := strings.CutPrefix(decoded, p.Prefix)
	if !found {
		return false
	}
	below = strings.TrimSuffix(below, "/")
	for _, path := range p.ReservedPaths {
		if below == path || strings.HasSuffix(path, "/") && strings.HasPrefix(below+"/", path) {
			return true
		}
	}
	return false
}

// SafeAvatar returns an address that a page may show, or "". WeChat's avatars come from hosts below
// qlogo.cn; older users still have http addresses, which the same hosts serve by https. allowed has
// further origins.
func SafeAvatar(address string, allowed map[string]bool) string {
	u, err := url.Parse(address)
	if err != nil || u.User != nil || u.Opaque != "" || len(address) > 1000 || strings.ContainsAny(address, "\"'<>\\` ") {
		return ""
	}
	host, err := origin.Canonical(u.Scheme + "://" + u.Host)
	if err != nil {
		return ""
	}
	if allowed[host] {
		return u.String()
	}
	if !strings.HasSuffix(strings.ToLower(u.Host), ".qlogo.cn") {
		return ""
	}
	u.Scheme = "https"
	return u.String()
}
