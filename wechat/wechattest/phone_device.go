package wechattest

import (
	"hash/fnv"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
)

// A device is what the windows of one phone share.
type device struct {
	person   string
	server   *Server
	cookies  *cookieStore
	language atomic.Pointer[string]
	asked    atomic.Bool // SetLanguage was called
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

// headers sets what every request of a phone carries. The user agent is WeChat's own on Android in its form (captured
// 2022, last seen true 2024): apps know WeChat by "MicroMessenger".
func (d *device) headers(h http.Header) {
	tag := d.tag()
	h.Set("User-Agent", "Mozilla/5.0 (Linux; Android 12; M2102K1C Build/SKQ1.211006.001; wv) AppleWebKit/537.36 "+
		"(KHTML, like Gecko) Version/4.0 Chrome/107.0.5304.141 Mobile Safari/537.36 XWEB/5023 MMWEBSDK/20220204 "+
		"MMWEBID/"+d.webID()+" MicroMessenger/8.0.18.2060(0x28001237) Process/toolsmp WeChat/arm64 Weixin NetType/WIFI "+
		"Language/"+wechatLanguage(tag)+" ABI/arm64")
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

func (p *Phone) identify(r *http.Request) { p.device.server.identify(r, p.device.person) }
