// Package simulator serves the control page of the simulated WeChat. The page shows the people
// (simulated WeChat users) and their phones, quirks (undocumented behaviour), faults (injected
// failures), a clock and a log of requests. A JSON API is for scripts. [New] returns the handler.
// The simulated WeChat itself is package wechattest. This package uses only the exported API of
// wechattest.
//
// Serve the handler on its own loopback listener. Every client that reaches it can act as any
// person and read every secret.
//
//	GET  /                        people, waiting QR codes, latest requests
//	GET  /phones/{person}         a phone and its buttons; ?open=LINK fills in its address line
//	GET  /phone?person=&open=     redirects to /phones/{person}, for links on other pages; the default
//	                              person is the first one
//	POST /phones/{person}         do=ACTION at=…, with the actions open and scan (at: a link), allow,
//	                              deny, back, reload, home, refresh (follows the page's refresh), full
//	                              (presses 使用完整服务 on a snapshot page), clear (deletes cookies),
//	                              language, browser (at: the new one), password (changes the WeChat
//	                              password) and revoke (revokes consent to all apps)
//	GET  /phones/{person}/chats/{appid}  the chat of a person with an account
//	POST /phones/{person}/chats/{appid}  do=ACTION text=… at=… label=…, see chatActions
//	GET  /chat?person=&account=   redirects to the page of this chat; text= and scan= fill in its fields
//	POST /scan                    person=, at=LINK: scans a QR code with the person's phone
//	GET  /apps                    appids, secrets, callback domains
//	GET  /quirks  POST            every quirk with its meaning and default
//	GET  /faults  POST            the pending faults, and a form to add one
//	POST /clock                   advance=5m
//	GET  /log                     requests and answers
//	GET  /events                  server-sent events: "changed" when one of these pages has changed
//	GET  /f/{token}/…             the rendered page of a phone, see package phoneview
//
// The JSON API below /api has the same functions, and more: it adds, changes and removes people and
// apps, and returns codes without a browser. docs/en/simulator.md describes each endpoint; GET /api
// lists them. An error is {"error": NAME, "message": TEXT, "field": FIELD}.
//
// Pages are in Chinese for browsers that prefer Chinese, else in English. They work without
// JavaScript. With JavaScript they update automatically.
//
// Four defences against other websites:
//
//   - The Host header must name this machine or a host in [Config.Hosts] (defence against DNS
//     rebinding).
//   - A cross-site request must not change anything. The JSON API rejects every request of a page of
//     another origin, and requires the content type application/json in requests with a body.
//   - No response allows another origin to read it (CORS).
//   - A phone opens the link in the parameter open only when the developer presses the button.
//     (Another website may set the parameter.)
package simulator

import (
	"crypto/rand"
	"embed"
	"html/template"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/origin"
	"github.com/weigate/weigate/internal/simulator/phoneview"
	"github.com/weigate/weigate/wechat/wechattest"
)

// Config holds what [New] needs.
type Config struct {
	// Server is the simulated WeChat. Required.
	Server *wechattest.Server
	// OpenURL is the address of the simulated WeChat. The page of apps shows it. Empty means that
	// the page shows no address.
	OpenURL string
	// Hosts are further host names, without port, that are accepted in the Host header. Loopback
	// names and IP addresses are always accepted.
	Hosts []string
}

//go:embed files
var files embed.FS

// New returns the handler of the control page. Several handlers may share one wechattest.Server.
func New(cfg Config) http.Handler {
	c := &control{
		server:    cfg.Server,
		openURL:   strings.TrimSuffix(cfg.OpenURL, "/"),
		hosts:     slices.Clone(cfg.Hosts),
		catalogue: lang.MustLoad(files, "files"),
		templates: map[string]*template.Template{},
		views:     map[string]*phoneview.View{},
		tokens:    map[string]*phoneview.View{},
		watchers:  map[chan struct{}]bool{},
	}
	for _, language := range lang.All() {
		c.templates[language] = parseTemplates(c.catalogue.In(language))
	}
	cfg.Server.OnPhoneChange(c.phoneChanged)
	return c.guard(c.routes())
}

// control serves the control page.
type control struct {
	server    *wechattest.Server
	openURL   string   // see Config.OpenURL
	hosts     []string // see Config.Hosts
	catalogue *lang.Catalogue
	templates map[string]*template.Template // by language

	mu       sync.Mutex                 // guards the fields below
	views    map[string]*phoneview.View // rendered phones by person id
	tokens   map[string]*phoneview.View // the values of views, by the token in their path
	watchers map[chan struct{}]bool     // one for each open event stream
}

func (c *control) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", c.peoplePage)
	mux.HandleFunc("GET /phone", c.redirectToPhone)
	mux.HandleFunc("GET /phones/{person}", c.phonePage)
	mux.HandleFunc("POST /phones/{person}", c.pressPhone)
	mux.HandleFunc("GET /chat", c.redirectToChat)
	mux.HandleFunc("GET /phones/{person}/chats/{appid}", c.chatPage)
	mux.HandleFunc("POST /phones/{person}/chats/{appid}", c.actInChat)
	mux.HandleFunc("POST /scan", c.scan)
	mux.HandleFunc("GET /people/{person}/picture", c.picture)
	mux.HandleFunc("GET /apps", c.appsPage)
	mux.HandleFunc("GET /quirks", c.quirksPage)
	mux.HandleFunc("POST /quirks", c.saveQuirks)
	mux.HandleFunc("GET /faults", c.faultsPage)
	mux.HandleFunc("POST /faults", c.addFault)
	mux.HandleFunc("POST /clock", c.advanceClock)
	mux.HandleFunc("GET /log", c.logPage)
	mux.HandleFunc("GET /events", c.events)
	mux.HandleFunc("GET /control.css", c.asset)
	mux.HandleFunc("GET /control.js", c.asset)
	c.mountAPI(mux)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		c.errorPage(w, r, http.StatusNotFound, "error-missing")
	})
	return mux
}

// guard rejects requests for other hosts (DNS rebinding) and cross-site requests that change
// something. Requests of a frame with a phone are an exception: the frame is sandboxed, so browsers
// mark its requests as cross-site. These requests have a secret token in their path instead.
func (c *control) guard(next http.Handler) http.Handler {
	sameOrigin := http.NewCrossOriginProtection()
	sameOrigin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.errorPage(w, r, http.StatusForbidden, "error-origin")
	}))
	guarded := sameOrigin.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !c.acceptsHost(r.Host) {
			c.errorPage(w, r, http.StatusMisdirectedRequest, "error-host")
			return
		}
		if view, rest := c.viewOfPath(r.URL.Path); view != nil {
			view.Serve(w, r, rest, c.texts(r))
			return
		}
		if isAPI(r.URL.Path) && isForeign(r) {
			c.errorPage(w, r, http.StatusForbidden, "error-origin")
			return
		}
		guarded.ServeHTTP(w, r)
	})
}

// isAPI reports whether a path is one of the JSON API.
func isAPI(path string) bool { return path == "/api" || strings.HasPrefix(path, "/api/") }

// acceptsHost reports whether a Host header names this machine or a configured host.
func (c *control) acceptsHost(hostport string) bool {
	host := origin.Hostname(hostport)
	if _, err := netip.ParseAddr(host); err == nil || origin.IsLoopback(host) {
		return true
	}
	return slices.ContainsFunc(c.hosts, func(h string) bool { return strings.EqualFold(h, host) })
}

// view returns the rendered phone of a person (see package phoneview). The first call makes it,
// with a random token in its path.
func (c *control) view(person string) *phoneview.View {
	phone := c.server.Phone(person)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.views[person] == nil {
		token := strings.ToLower(rand.Text())
		c.views[person] = phoneview.New(phone, "/f/"+token)
		c.tokens[token] = c.views[person]
	}
	return c.views[person]
}

// viewOfPath returns the rendered phone for a path /f/TOKEN/…, and the rest of the path after
// TOKEN. The view is nil for other paths and for unknown tokens.
func (c *control) viewOfPath(path string) (view *phoneview.View, rest string) {
	path, ok := strings.CutPrefix(path, "/f/")
	if !ok {
		return nil, ""
	}
	token, rest, _ := strings.Cut(path, "/")
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tokens[token], rest
}

// hasPerson reports whether the simulator has a person with this id.
func (c *control) hasPerson(id string) bool {
	return slices.ContainsFunc(c.server.People(), func(p wechattest.Person) bool { return p.ID == id })
}

// texts returns the texts in the language that the browser prefers, else in English.
func (c *control) texts(r *http.Request) lang.Texts {
	return c.catalogue.In(lang.FromHeader(r.Header, lang.English))
}

// keepAlive is the interval at which the event stream sends a comment. Proxies close idle
// connections; their timeouts are usually longer than this interval.
const keepAlive = 25 * time.Second

// phoneChanged is called by the simulator when a person's phone shows another page or error.
func (c *control) phoneChanged(person string) {
	c.view(person).Changed()
	c.changed()
}

// changed notifies the open pages through their event streams.
func (c *control) changed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for ch := range c.watchers {
		select {
		case ch <- struct{}{}:
		default: // a notification is pending already
		}
	}
}

// watch returns a channel and a function. The channel receives a value after changed was called.
// Several calls of changed may send only one value. The function stop ends the notifications.
func (c *control) watch() (ch chan struct{}, stop func()) {
	ch = make(chan struct{}, 1)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watchers[ch] = true
	return ch, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.watchers, ch)
	}
}

// events serves GET /events, a stream of server-sent events for control.js. After the event
// "changed", control.js fetches the page again and replaces what differs. The event has no data.
func (c *control) events(w http.ResponseWriter, r *http.Request) {
	setHeaders(w)
	w.Header().Set("Content-Type", "text/event-stream")
	flusher := http.NewResponseController(w)
	ch, stop := c.watch()
	defer stop()
	calls, cancel := c.server.Subscribe() // receives each new entry of the log
	defer cancel()
	ticker := time.NewTicker(keepAlive)
	defer ticker.Stop()
	for line := ": hello\n\n"; ; { // a line that begins with ":" is a comment
		if _, err := w.Write([]byte(line)); err != nil || flusher.Flush() != nil {
			return
		}
		line = "event: changed\ndata: \n\n"
		select {
		case <-ch:
		case _, ok := <-calls:
			if !ok { // the simulator was closed
				return
			}
		case <-ticker.C:
			line = ": alive\n\n"
		case <-r.Context().Done():
			return
		}
	}
}
