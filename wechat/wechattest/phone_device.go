package wechattest

import (
	"hash/fnv"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// A device is what the windows of one phone share.
type device struct {
	person   string
	server   *Server
	language atomic.Pointer[string]
	asked    atomic.Bool // SetLanguage was called

	mu      sync.Mutex // guards what follows
	program Browser
	jars    map[Browser]*cookieStore
}

// cookies are those of the browser that is in use.
func (d *device) cookies() *cookieStore {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.jars == nil {
		d.jars = map[Browser]*cookieStore{}
	}
	if d.jars[d.program] == nil {
		d.jars[d.program] = newCookieStore()
	}
	return d.jars[d.program]
}

func (d *device) browser() Browser {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.program
}

func (d *device) setBrowser(b Browser) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.program = b
}

func (d *device) changed() { d.server.phones.tell() }

func (d *device) setLanguage(tag string) {
	d.language.Store(&tag)
	d.asked.Store(true)
}

func (d *device) tag() string {
	if t := d.language.Load(); t != nil && *t != "" {
		return *t
	}
	return "zh-CN"
}

// headers sets what every request of a phone carries. Apps know WeChat by "MicroMessenger" in the user agent.
func (d *device) headers(h http.Header) {
	tag := d.tag()
	h.Set("User-Agent", d.browser().userAgent(d.webID(), wechatLanguage(tag)))
	base, _, found := strings.Cut(tag, "-")
	accept := tag
	if found {
		accept += "," + base + ";q=0.9"
	}
	if base != "en" {
		accept += ",en-US;q=0.8,en;q=0.7"
	}
	h.Set("Accept-Language", accept)
}

// webID is the number by which WeChat's user agent tells phones apart; it is the same each time for one person.
func (d *device) webID() string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(d.person))
	return strconv.Itoa(1000 + int(h.Sum32()%9000))
}

// wechatLanguage is how the user agent writes a language.
func wechatLanguage(tag string) string {
	switch {
	case strings.HasPrefix(tag, "zh-TW"), strings.HasPrefix(tag, "zh-HK"), strings.HasPrefix(tag, "zh-Hant"):
		return "zh_TW"
	case strings.HasPrefix(tag, "zh"):
		return "zh_CN"
	}
	base, _, _ := strings.Cut(tag, "-")
	return base
}

func (p *Phone) fetcher() *fetcher { return p.device.server.phones.net }

// identify does what WeChat's client does: it tells WeChat, and nobody else, who the person is. Other browsers do not.
func (p *Phone) identify(r *http.Request) {
	if p.device.browser().wechat() {
		p.device.server.identify(r, p.device.person)
	}
}
