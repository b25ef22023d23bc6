package savedrequest

import (
	"crypto/rand"
	"encoding/binary"
	"net/http"
	"net/url"
	"time"

	"github.com/weigate/weigate/internal/cookie"
	"github.com/weigate/weigate/internal/seal"
)

// This file contains the cookie that tells browsers apart. It is sealed (encrypted and
// authenticated), and contains a random secret and the time when it was set.

const (
	cookieName = "r"

	// cookieAge is how long a browser keeps the cookie. After cookieRenewal it is set again, with the
	// same secret. So it does not expire during a sign-in.
	cookieAge     = 24 * time.Hour
	cookieRenewal = 12 * time.Hour

	secretSize = 16 // bytes
	timeSize   = 8
)

// browser is the content of the cookie.
type browser struct {
	secret string
	setAt  time.Time
}

// browserCookies reads and sets the cookie.
type browserCookies struct {
	set    cookie.Set
	sealer *seal.Sealer
}

func newBrowserCookies(own *url.URL, keys [][]byte) (browserCookies, error) {
	sealer, err := seal.New(keys, "saved request browser")
	return browserCookies{set: cookie.For(own, "weigate"), sealer: sealer}, err
}

// read returns the content of the cookie of the browser that sent r. Another host may have set a
// cookie of the same name. It cannot be opened, and is skipped.
func (c *browserCookies) read(r *http.Request, now time.Time) (b browser, found bool) {
	for sent := range c.set.Named(r, cookieName) {
		plain, err := c.sealer.Open(c.set.Name(cookieName), sent.Value)
		if err != nil || len(plain) != secretSize+timeSize {
			continue
		}
		b.secret = string(plain[:secretSize])
		b.setAt = time.Unix(int64(binary.BigEndian.Uint64(plain[secretSize:])), 0)
		if now.Sub(b.setAt) < cookieAge {
			return b, true
		}
	}
	return browser{}, false
}

// add sets the cookie with a new secret.
func (c *browserCookies) add(w http.ResponseWriter, now time.Time) error {
	secret := make([]byte, secretSize)
	rand.Read(secret)
	return c.write(w, string(secret), now)
}

// renew sets the cookie again, if it is older than cookieRenewal.
func (c *browserCookies) renew(w http.ResponseWriter, b browser, now time.Time) error {
	if now.Sub(b.setAt) < cookieRenewal {
		return nil
	}
	return c.write(w, b.secret, now)
}

func (c *browserCookies) write(w http.ResponseWriter, secret string, now time.Time) error {
	plain := binary.BigEndian.AppendUint64([]byte(secret), uint64(now.Unix()))
	value, err := c.sealer.Seal(c.set.Name(cookieName), plain)
	if err != nil {
		return err
	}
	http.SetCookie(w, c.set.New(cookieName, value, cookieAge))
	return nil
}
