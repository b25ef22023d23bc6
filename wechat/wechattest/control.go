package wechattest

import (
	"bytes"
	"crypto/rand"
	"html/template"
	"net"
	"net/http"
	"net/netip"
	"path"
	"slices"
	"strings"
	"sync"
	"time"
)

// Control returns the control page: what a person at a desk sees and moves of the simulator. Give it a listener of its own, on
// loopback: whoever reaches it can be every person and read every app's secret.
//
//	GET  /                        the people, the QR codes that wait, the latest calls
//	GET  /phones/{person}         a phone, drawn as one, and what can be done with it; ?open=LINK puts a link into its address line
//	GET  /phone?person=&open=     leads there, for a page elsewhere that hands a link over; a person who is not there is the first one
//	POST /phones/{person}         do=open|scan|allow|deny|back|reload|home|refresh|full|clear|language|browser|password|revoke  at=…
//	GET  /apps                    appids, secrets, callback domains
//	GET  /switches  POST          every switch with its meaning and default
//	GET  /faults    POST          what is to go wrong
//	POST /clock                   advance=5m
//	GET  /log                     what was asked and answered
//	GET  /events                  server-sent events: "changed" whenever a page of these would look different
//	GET  /f/{token}/…             the page on a phone, in its sandboxed frame
//
// For scripts in any language the same is there as JSON. Answers are UTF-8; an error is {"error": "…"} with a status of 400, 404 or 502.
//
//	GET    /api/state             {"seed", "now", "switches", "apps", "people", "qrCodes", "faults"}
//	GET    /api/log?after=ID      {"last", "calls": […]}, oldest first
//	POST   /api/switches          {"doubleCallback": "first", "laxOrder": true}: changes these, answers with all
//	POST   /api/faults            {"endpoint": "/sns/userinfo", "errcode": -1, "times": 2, "latency": "15s"}: a [Fault], durations as text
//	DELETE /api/faults            removes all
//	POST   /api/clock             {"advance": "5m"}: answers with the time
//	POST   /api/phones/{person}   {"do": "open", "at": "http://…"}: as above, and follow (at: a link), submit (at: a button, "fill": {…}); the answer is the page
//
// Pages are in Chinese for browsers that prefer it, else in English, and work without JavaScript; with it they follow what happens.
//
// Requests whose Host is a name on the internet are refused, so that DNS rebinding gets no one in; names of loopback, IP addresses and
// [Config.Hosts] are served. Requests that change something are refused when they come from another web site; a link that such a site hands
// over is opened only when the person presses the button. Handlers that Control returned share the simulator but not the tokens of their frames.
func (s *Server) Control() http.Handler {
	c := &control{server: s, speeches: speeches(), tokens: map[string]string{}, frames: map[string]*frame{}, watchers: map[chan struct{}]bool{}}
	for _, say := range c.speeches {
		c.templates = append(c.templates, controlTemplates(say))
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", c.people)
	mux.HandleFunc("GET /phone", c.handOver)
	mux.HandleFunc("GET /phones/{person}", c.phone)
	mux.HandleFunc("POST /phones/{person}", c.press)
	mux.HandleFunc("POST /scan", c.scan)
	mux.HandleFunc("GET /people/{person}/picture", c.picture)
	mux.HandleFunc("GET /apps", c.apps)
	mux.HandleFunc("GET /switches", c.switches)
	mux.HandleFunc("POST /switches", c.setSwitches)
	mux.HandleFunc("GET /faults", c.faults)
	mux.HandleFunc("POST /faults", c.addFault)
	mux.HandleFunc("POST /clock", c.clock)
	mux.HandleFunc("GET /log", c.log)
	mux.HandleFunc("GET /events", c.events)
	mux.HandleFunc("GET /control.css", c.asset)
	mux.HandleFunc("GET /control.js", c.asset)
	c.mountAPI(mux)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { c.problem(w, r, http.StatusNotFound, "error-missing") })

	same := http.NewCrossOriginProtection()
	same.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.problem(w, r, http.StatusForbidden, "error-origin")
	}))
	guarded := same.Handler(mux)
	s.phones.watch(c.changed)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !c.acceptsHost(r.Host) {
			c.problem(w, r, http.StatusMisdirectedRequest, "error-host")
			return
		}
		if f, what := c.frameAt(r.URL.Path); f != nil {
			f.serve(w, r, what, controlSpeech(r, c.speeches))
			return
		}
		guarded.ServeHTTP(w, r)
	})
}

type control struct {
	server    *Server
	speeches  []*speech
	templates []*template.Template // one for each speech

	mu       sync.Mutex
	tokens   map[string]string // of frames, by person
	frames   map[string]*frame // by token
	watchers map[chan struct{}]bool
}

// acceptsHost lets in what cannot be somebody else's name for this machine.
func (c *control) acceptsHost(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	if _, err := netip.ParseAddr(host); err == nil || isLoopback(host) {
		return true
	}
	return slices.ContainsFunc(c.server.cfg.Hosts, func(h string) bool { return strings.EqualFold(h, host) })
}

// frame is the frame of a person's phone.
func (c *control) frame(person string) *frame {
	c.mu.Lock()
	defer c.mu.Unlock()
	token := c.tokens[person]
	if token == "" {
		token = strings.ToLower(rand.Text())
		c.tokens[person] = token
		c.frames[token] = &frame{phone: c.server.Phone(person), path: "/f/" + token}
	}
	return c.frames[token]
}

// frameAt is the frame of an address and the rest of its path; nil when the address is no frame's.
func (c *control) frameAt(p string) (f *frame, what string) {
	rest, ok := strings.CutPrefix(p, "/f/")
	if !ok {
		return nil, ""
	}
	token, what, _ := strings.Cut(rest, "/")
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.frames[token], what
}

// controlPolicy is the content policy of the control page. Its one frame is of its own origin and sandboxed there.
const controlPolicy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; frame-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func controlHeaders(w http.ResponseWriter) {
	frameHeaders(w, controlPolicy)
	w.Header().Set("Cross-Origin-Resource-Policy", "same-origin")
}

// controlTemplates are the pages with the words of one language in them.
func controlTemplates(say *speech) *template.Template {
	return template.Must(template.New("").Funcs(template.FuncMap{
		"t":     say.text,
		"lang":  func() string { return say.lang },
		"clock": func(t time.Time) string { return t.Format("2006-01-02 15:04:05") },
		"hms":   func(t time.Time) string { return t.Format("15:04:05") },
	}).ParseFS(pageFiles, "pages/control-*.html"))
}

// controlFrame is what every page has.
type controlFrame struct {
	Part  string // of the navigation
	Path  string // where forms that concern every page come back to
	Title string
	Now   time.Time
	Seed  uint64
	Page  any
}

func (c *control) show(w http.ResponseWriter, r *http.Request, status int, name, title string, page any) {
	i := slices.Index(c.speeches, controlSpeech(r, c.speeches))
	var b bytes.Buffer
	err := c.templates[i].ExecuteTemplate(&b, "control-"+name+".html", controlFrame{
		Part: name, Path: r.URL.Path, Title: title, Now: c.server.Now(), Seed: c.server.Seed(), Page: page,
	})
	controlHeaders(w)
	if err != nil {
		http.Error(w, "the page could not be written", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Vary", "Accept-Language")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

func (c *control) problem(w http.ResponseWriter, r *http.Request, status int, key string) {
	say := controlSpeech(r, c.speeches)
	if strings.HasPrefix(r.URL.Path, "/api/") {
		apiError(w, status, c.speeches[0].text(key))
		return
	}
	c.show(w, r, status, "error", say.text("error-title"), say.text(key))
}

func (c *control) asset(w http.ResponseWriter, r *http.Request) {
	name := path.Base(r.URL.Path)
	b, err := pageFiles.ReadFile("pages/" + name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	controlHeaders(w)
	w.Header().Set("Content-Type", map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}[path.Ext(name)])
	_, _ = w.Write(b)
}

// changed tells every open page that it would look different now.
func (c *control) changed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for ch := range c.watchers {
		select {
		case ch <- struct{}{}:
		default: // it has not yet looked at the last time
		}
	}
}

// events is the stream that control.js listens to. It tells that something changed, not what: the page asks for itself again.
func (c *control) events(w http.ResponseWriter, r *http.Request) {
	controlHeaders(w)
	w.Header().Set("Content-Type", "text/event-stream")
	flush := http.NewResponseController(w)
	ch := make(chan struct{}, 1)
	c.mu.Lock()
	c.watchers[ch] = true
	c.mu.Unlock()
	calls, cancel := c.server.Subscribe()
	defer func() {
		cancel()
		c.mu.Lock()
		delete(c.watchers, ch)
		c.mu.Unlock()
	}()
	alive := time.NewTicker(25 * time.Second)
	defer alive.Stop()
	for line := ": hello\n\n"; ; {
		if _, err := w.Write([]byte(line)); err != nil || flush.Flush() != nil {
			return
		}
		line = "event: changed\ndata: \n\n"
		select {
		case <-ch:
		case _, ok := <-calls:
			if !ok {
				return
			}
		case <-alive.C:
			line = ": alive\n\n"
		case <-c.server.closing.Done():
			return
		case <-r.Context().Done():
			return
		}
	}
}
