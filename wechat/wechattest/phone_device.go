package wechattest

import (
	"cmp"
	"hash/fnv"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/weigate/weigate/internal/lang"
)

// device is the state that all windows of one phone share: the language, the browser, the cookies.
type device struct {
	person string
	server *Server

	mu              sync.Mutex // guards the fields below
	chosenLanguage  string     // by SetLanguage; "" means defaultLanguage
	defaultLanguage string     // by SetDefaultLanguage; "" means zh-CN
	browser         Browser
	cookieStores    map[Browser]*cookieStore
}

// cookies returns the cookie store of the current browser.
func (d *device) cookies() *cookieStore {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cookieStores == nil {
		d.cookieStores = map[Browser]*cookieStore{}
	}
	if d.cookieStores[d.browser] == nil {
		d.cookieStores[d.browser] = newCookieStore()
	}
	return d.cookieStores[d.browser]
}

func (d *device) currentBrowser() Browser {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.browser
}

func (d *device) setBrowser(b Browser) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.browser = b
}

func (d *device) setLanguage(tag string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.chosenLanguage = cmp.Or(tag, lang.Chinese)
}

func (d *device) setDefaultLanguage(tag string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.defaultLanguage = tag
}

// reset returns the device to the start: WeChat as the browser, no cookies, and no chosen language.
func (d *device) reset() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.chosenLanguage, d.defaultLanguage = "", ""
	d.browser, d.cookieStores = BrowserWeChat, nil
}

func (d *device) language() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return cmp.Or(d.chosenLanguage, d.defaultLanguage, lang.Chinese)
}

// setHeaders sets User-Agent and Accept-Language. Apps recognize WeChat by "MicroMessenger" in the
// user agent.
func (d *device) setHeaders(h http.Header) {
	tag := d.language()
	h.Set("User-Agent", d.currentBrowser().userAgent(d.id(), userAgentLanguage(tag)))
	base, _, hasRegion := strings.Cut(tag, "-")
	accept := tag
	if hasRegion {
		accept += "," + base + ";q=0.9"
	}
	if base != "en" {
		accept += ",en-US;q=0.8,en;q=0.7"
	}
	h.Set("Accept-Language", accept)
}

// id returns the number that identifies a phone in WeChat's user agent (MMWEBID). It is derived
// from the person, so it never changes.
func (d *device) id() string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(d.person))
	return strconv.Itoa(1000 + int(h.Sum32()%9000))
}

// userAgentLanguage returns a language in the form of WeChat's user agent, such as zh_CN or en.
func userAgentLanguage(tag string) string {
	switch {
	case strings.HasPrefix(tag, "zh-TW"), strings.HasPrefix(tag, "zh-HK"), strings.HasPrefix(tag, "zh-Hant"):
		return "zh_TW"
	case strings.HasPrefix(tag, "zh"):
		return "zh_CN"
	}
	base, _, _ := strings.Cut(tag, "-")
	return base
}

// Browser is a browser of a [Phone]. [Phone.SetBrowser] selects one. Apps distinguish browsers by
// their user agents.
type Browser int

// The first three browsers are WeChat, and identify the person to the simulator. The other browsers
// do not identify the person.
const (
	BrowserWeChat        Browser = iota // WeChat on Android
	BrowserWeChatIPhone                 // WeChat on an iPhone
	BrowserWeChatWindows                // WeChat on a computer
	BrowserWeCom                        // 企业微信, which has "MicroMessenger" in its user agent but is not WeChat
	BrowserChrome                       // Chrome on Android
	BrowserSafari                       // Safari on an iPhone
)

// String returns a name such as "wechat-iphone".
func (b Browser) String() string {
	names := []string{"wechat", "wechat-iphone", "wechat-windows", "wecom", "chrome", "safari"}
	if b >= 0 && int(b) < len(names) {
		return names[b]
	}
	return "unknown"
}

// isWeChat reports whether the browser identifies the person to WeChat.
func (b Browser) isWeChat() bool { return b <= BrowserWeChatWindows }

// userAgent returns the User-Agent header. id is the phone's MMWEBID. The headers of WeChat on
// Android and Windows were captured in 2022 and confirmed in 2024. The other headers follow the
// documented form.
func (b Browser) userAgent(id, language string) string {
	const android = "Mozilla/5.0 (Linux; Android 12; M2102K1C Build/SKQ1.211006.001; wv) AppleWebKit/537.36 " +
		"(KHTML, like Gecko) Version/4.0 Chrome/107.0.5304.141 Mobile Safari/537.36 "
	const iphone = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
	switch b {
	case BrowserWeChatIPhone:
		return iphone + "Mobile/15E148 MicroMessenger/8.0.49(0x18003137) NetType/WIFI Language/" + language
	case BrowserWeChatWindows:
		return "Mozilla/5.0 (Windows NT 10.0; WOW64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/81.0.4044.138 " +
			"Safari/537.36 NetType/WIFI MicroMessenger/7.0.20.1781(0x6700143B) WindowsWechat(0x6305002e)"
	case BrowserWeCom:
		return android + "wxwork/4.1.10 MicroMessenger/7.0.1 NetType/WIFI Language/zh Lang/zh ColorScheme/Light"
	case BrowserChrome:
		return "Mozilla/5.0 (Linux; Android 12; M2102K1C) AppleWebKit/537.36 (KHTML, like Gecko) " +
			"Chrome/131.0.0.0 Mobile Safari/537.36"
	case BrowserSafari:
		return iphone + "Version/17.5 Mobile/15E148 Safari/604.1"
	}
	return android + "XWEB/5023 MMWEBSDK/20220204 MMWEBID/" + id + " MicroMessenger/8.0.18.2060(0x28001237) " +
		"Process/toolsmp WeChat/arm64 Weixin NetType/WIFI Language/" + language + " ABI/arm64"
}

// cookieStore stores the cookies of a browser. It uses [cookiejar.Jar] for domains, paths and
// expiry. Since Go 1.25, a Jar sends Secure cookies to loopback over plain http, as browsers do.
// cookieStore adds three rules of browsers:
//
//   - Secure cookies are accepted from secure origins only.
//   - The name prefixes __Secure- and __Host- require attributes, see acceptable.
//   - SameSite restricts sending. There is one jar for each value of SameSite.
//
// Two servers on one host share their cookies, whatever their ports, as in browsers.
type cookieStore struct {
	mu                sync.Mutex // keeps set atomic: a cookie is in exactly one jar
	strict, lax, none *cookiejar.Jar
}

func newCookieStore() *cookieStore {
	c := &cookieStore{}
	c.clear()
	return c
}

// clear deletes all cookies.
func (c *cookieStore) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, jar := range []**cookiejar.Jar{&c.strict, &c.lax, &c.none} {
		*jar, _ = cookiejar.New(&cookiejar.Options{PublicSuffixList: lastLabel{}}) // never fails
	}
}

// lastLabel is a [cookiejar.PublicSuffixList] that contains every top-level domain. No cookie can
// be set for a public suffix. So app.localhost and login.localhost cannot share cookies of the
// domain localhost, as in Chromium.
type lastLabel struct{}

func (lastLabel) PublicSuffix(domain string) string {
	return domain[strings.LastIndexByte(domain, '.')+1:]
}

func (lastLabel) String() string { return "the last label" }

// set stores the cookies of a response from u, except those that browsers reject.
func (c *cookieStore) set(u *url.URL, cookies []*http.Cookie) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range cookies {
		if !acceptable(u, k) {
			continue
		}
		jar := c.lax // the default of browsers
		switch k.SameSite {
		case http.SameSiteStrictMode:
			jar = c.strict
		case http.SameSiteNoneMode:
			jar = c.none
		}
		// The cookie may be in another jar: it may have been set before with another SameSite.
		// Delete the old cookie.
		deleted := *k
		deleted.MaxAge, deleted.Value = -1, ""
		for _, other := range []*cookiejar.Jar{c.strict, c.lax, c.none} {
			if other != jar {
				other.SetCookies(u, []*http.Cookie{&deleted})
			}
		}
		jar.SetCookies(u, []*http.Cookie{k})
	}
}

// acceptable reports whether browsers store a cookie (RFC 6265bis, section 5.7). Three rules apply:
// a Secure cookie needs a secure origin, SameSite=None needs Secure, and the name prefixes
// __Secure- and __Host- need their attributes. Browsers ignore other cookies silently.
func acceptable(u *url.URL, k *http.Cookie) bool {
	if k.Secure && !potentiallyTrustworthy(u) {
		return false
	}
	if k.SameSite == http.SameSiteNoneMode && !k.Secure {
		return false
	}
	if hasPrefixFold(k.Name, "__Secure-") && !k.Secure {
		return false
	}
	if hasPrefixFold(k.Name, "__Host-") && (!k.Secure || k.Domain != "" || k.Path != "/") {
		return false
	}
	return true
}

// siteRelation classifies a request by the rules of SameSite. It depends on the initiator: the page
// with the link, form or image that caused the request.
type siteRelation int

const (
	sameSite            siteRelation = iota // from a page of the same site, or an address that was typed or scanned
	crossSiteNavigation                     // a GET navigation from another site
	crossSiteOther                          // a POST or a subresource from another site
)

// header returns the Cookie header for a request to u, "" for none.
func (c *cookieStore) header(u *url.URL, rel siteRelation) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	jars := []*cookiejar.Jar{c.none}
	if rel != crossSiteOther {
		jars = append(jars, c.lax)
	}
	if rel == sameSite {
		jars = append(jars, c.strict)
	}
	r := http.Request{Header: http.Header{}}
	for _, jar := range jars {
		for _, k := range jar.Cookies(u) {
			r.AddCookie(k)
		}
	}
	return r.Header.Get("Cookie")
}

// all returns the cookies for u, whatever their SameSite.
func (c *cookieStore) all(u *url.URL) []*http.Cookie {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []*http.Cookie
	for _, jar := range []*cookiejar.Jar{c.strict, c.lax, c.none} {
		out = append(out, jar.Cookies(u)...)
	}
	return out
}

// hasPrefixFold reports whether s begins with prefix in upper or lower case.
func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}
