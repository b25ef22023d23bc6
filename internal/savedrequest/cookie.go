package savedrequest

import (
	"crypto/rand"
	"encoding/binary"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/weigate/weigate/internal/cookie"
	"github.com/weigate/weigate/internal/seal"
)

// This file reads and sets the cookies that identify a browser. A cookie is sealed (encrypted and
// authenticated). It contains a random secret and the time when it was set.
//
// A browser that restores its tabs sends several first requests at the same moment. Each response
// sets a cookie with another secret. If all cookies had the same name, the second cookie would
// replace the first. The request that is saved under the first secret would be lost. So the name of
// the cookie ends with a number, and the key in a short address begins with this number. The number
// is limited, since nginx accepts 8 kB of cookies.

const (
	cookieName = "r" // a hexadecimal digit follows
	maxCookies = 16

	// cookieAge is how long a browser keeps the cookie. A cookie that is older than cookieRenewal
	// is set again, with the same secret. So the cookie does not expire during a sign-in.
	cookieAge     = 24 * time.Hour
	cookieRenewal = 12 * time.Hour

	secretSize = 16 // bytes
	timeSize   = 8
)

// browser is the content of one of these cookies.
type browser struct {
	name   string // of the cookie: cookieName and a digit
	secret string
	setAt  time.Time
}

// browserCookies reads and sets the cookies.
type browserCookies struct {
	set    cookie.Set
	sealer *seal.Sealer
	next   atomic.Uint32 // number of the next cookie, modulo maxCookies
}

func newBrowserCookies(gatewayURL *url.URL, keys [][]byte) (*browserCookies, error) {
	sealer, err := seal.New(keys, "saved request browser")
	return &browserCookies{set: cookie.For(gatewayURL, "weigate"), sealer: sealer}, err
}

// read returns the content of the cookies of the browser that sent r, the newest first. It skips a
// cookie that it cannot open: another host may have set a cookie with the same name.
func (c *browserCookies) read(r *http.Request, now time.Time) (found []browser) {
	for name, sent := range c.set.WithPrefix(r, cookieName) {
		plain, err := c.sealer.Open(c.set.Name(name), sent.Value)
		if err != nil || len(plain) != secretSize+timeSize {
			continue
		}
		b := browser{name: name, secret: string(plain[:secretSize]),
			setAt: time.Unix(int64(binary.BigEndian.Uint64(plain[secretSize:])), 0)}
		if now.Sub(b.setAt) < cookieAge {
			found = append(found, b)
		}
	}
	slices.SortStableFunc(found, func(a, b browser) int { return b.setAt.Compare(a.setAt) })
	return found
}

// add sets a cookie with a new secret. Of the cookies that one process sets, two have the same name
// only if it has set 15 others in between.
func (c *browserCookies) add(w http.ResponseWriter, now time.Time) error {
	secret := make([]byte, secretSize)
	rand.Read(secret)
	name := cookieName + strconv.FormatUint(uint64(c.next.Add(1)%maxCookies), 16)
	return c.write(w, browser{name: name, secret: string(secret)}, now)
}

// renew sets the cookie again, if it is older than cookieRenewal.
func (c *browserCookies) renew(w http.ResponseWriter, b browser, now time.Time) error {
	if now.Sub(b.setAt) < cookieRenewal {
		return nil
	}
	return c.write(w, b, now)
}

func (c *browserCookies) write(w http.ResponseWriter, b browser, now time.Time) error {
	plain := binary.BigEndian.AppendUint64([]byte(b.secret), uint64(now.Unix()))
	value, err := c.sealer.Seal(c.set.Name(b.name), plain)
	if err != nil {
		return err
	}
	http.SetCookie(w, c.set.New(b.name, value, cookieAge))
	return nil
}
