package wechattest

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Config says what a [Server] imitates. The zero value works: it is [DefaultApps] and [DefaultPeople], a random seed, the real time.
// New copies it; later changes have no effect.
type Config struct {
	// Apps are the registered apps. Nil means DefaultApps.
	Apps []App
	// People are the WeChat users. Nil means DefaultPeople.
	People []Person
	// Seed fixes every identifier, code and token that the server makes, in the order of the requests. 0 means random; [Server.Seed] tells which.
	Seed uint64
	// Now is the clock. Nil means time.Now. [Server.Advance] adds to it. It runs under the server's lock and must not call the server.
	Now func() time.Time
	// Switches are the starting positions. The zero value is what the field reports say WeChat does.
	Switches Switches
	// QR draws text as an SVG image. Nil means that the QR page shows the link as text.
	QR func(text string) (svg []byte, err error)
	// Mark is woven into every code, access token and refresh token, so that a test can search for values that leaked.
	// It is [A-Za-z0-9]{1,12}; "" means none.
	Mark string
	// OpenURL is how people's browsers reach this server, for the links inside its pages and the addresses of pictures, for
	// example http://127.0.0.1:8090. "" means that the Host of each request is used.
	OpenURL string
	// ControlURL is where [Server.Control] is served, for example http://127.0.0.1:8091. The QR page then has a link that hands its code to a phone
	// there. "" leaves the link out.
	ControlURL string
	// Hosts are further host names, without port, that requests may name. Loopback names, IP addresses, WeChat's own names and the host of
	// OpenURL always may.
	Hosts []string
	// PhoneHosts are hosts, without port, that the phones may visit besides this machine and private addresses, for example
	// "app.example.com"; "*" is every host. See [ErrHost].
	PhoneHosts []string
	// HTTPClient makes the second callbacks of [Switches.DoubleCallback]. Nil means a private one. It is used without a cookie jar and
	// without following redirects, whatever is set in it.
	HTTPClient *http.Client
}

// check returns every problem of the configuration at once, joined.
func (c *Config) check() error {
	var errs []error
	if len(c.Mark) > 12 || strings.Trim(c.Mark, alnum) != "" {
		errs = append(errs, fmt.Errorf("wechattest: mark %q is not [A-Za-z0-9]{1,12}", c.Mark))
	}
	for _, own := range [][2]string{{"open URL", c.OpenURL}, {"control URL", c.ControlURL}} {
		if u, err := url.Parse(own[1]); own[1] != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || strings.Trim(u.Path, "/") != "") {
			errs = append(errs, fmt.Errorf("wechattest: %s %q is not an http or https address without a path", own[0], own[1]))
		}
	}
	seenApp := map[string]bool{}
	for i := range c.Apps {
		errs = append(errs, c.Apps[i].check())
		if id := c.Apps[i].AppID; seenApp[id] {
			errs = append(errs, fmt.Errorf("wechattest: app %s is there twice", id))
		} else {
			seenApp[id] = true
		}
	}
	seenPerson := map[string]bool{}
	for i := range c.People {
		errs = append(errs, c.People[i].check())
		if id := c.People[i].ID; seenPerson[id] {
			errs = append(errs, fmt.Errorf("wechattest: person %s is there twice", id))
		} else {
			seenPerson[id] = true
		}
	}
	if as := c.Switches.ConsentAs; as != "" && !seenPerson[as] {
		errs = append(errs, fmt.Errorf("wechattest: consent as %q: no such person; there are %s", as, strings.Join(personIDs(c.People), ", ")))
	}
	return errors.Join(errs...)
}

// randomSeed is never 0, which means "random".
func randomSeed() uint64 {
	var b [8]byte
	rand.Read(b[:]) // crypto/rand.Read never fails
	return binary.BigEndian.Uint64(b[:]) | 1
}
