// Package phoneview shows the page of a simulated phone inside the control page of the simulator
// (weigate sim). The page comes from the app under test and is untrusted. Three defences separate
// it from the control page:
//
//   - The frame is sandboxed: it has an opaque origin and runs no scripts.
//   - The page is rewritten. Paths of this package replace the addresses of links, forms and
//     images. The phone sends the requests.
//   - A Content-Security-Policy allows requests below the path of the frame only.
//
// Requests of a sandboxed frame have "Origin: null" and count as cross-site. The usual check of
// cross-site requests would reject them, so a random token in the path authenticates them. The
// token does not leak: the frame sends no Referer, and no request to another host.
//
//	GET  /f/{token}/view            the page on the phone, rewritten
//	GET  /f/{token}/go?u=           follows a link
//	POST /f/{token}/submit?u=&m=    sends a form to u by the method m
//	GET  /f/{token}/load?u=         loads an image, a style sheet or a font
package phoneview

import (
	"errors"
	"html"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/simulator/link"
	"github.com/weigate/weigate/wechat/wechattest"
)

// View shows the page of one phone in a frame. Make a View with [New].
type View struct {
	phone   *wechattest.Phone
	path    string
	version atomic.Int64 // number of changes of the page
	drawn   atomic.Int64 // the version that the frame shows
}

// New returns the view of a phone. path is a path such as /f/TOKEN. The caller passes requests
// below path to [View.Serve]. It calls [View.Changed] when the phone shows another page.
func New(phone *wechattest.Phone, path string) *View { return &View{phone: phone, path: path} }

// Path returns the path of the view.
func (v *View) Path() string { return v.path }

// Changed records that the phone shows another page.
func (v *View) Changed() { v.version.Add(1) }

// Version returns the number of calls of Changed.
func (v *View) Version() int64 { return v.version.Load() }

// Drawn returns the Version that the frame has loaded last. The frame must be reloaded if Drawn and
// Version differ.
func (v *View) Drawn() int64 { return v.drawn.Load() }

// SetHeaders sets the security headers of a page with the given Content-Security-Policy.
func SetHeaders(w http.ResponseWriter, policy string) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
}

// policy returns the Content-Security-Policy of the frame. It has whole addresses instead of
// 'self', because 'self' matches nothing in a frame with an opaque origin.
func (v *View) policy(r *http.Request) string {
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	origin := scheme + r.Host
	load := origin + v.path + "/load"
	return "default-src 'none'; img-src " + load + " data:; style-src " + load + " 'unsafe-inline'; font-src " + load +
		" data:; form-action " + origin + v.path + "/submit; frame-ancestors " + origin +
		"; base-uri 'none'; sandbox allow-forms"
}

// Serve serves a request below the path of the view. action is the rest of the request's path, such
// as "view". texts has the phone's own messages, such as "no page".
func (v *View) Serve(w http.ResponseWriter, r *http.Request, action string, texts lang.Texts) {
	switch r.Method + " " + action {
	case "GET view":
		v.showPage(w, r, texts)
	case "GET go":
		if v.phone.Page() != nil {
			_, _ = v.phone.FollowURL(r.Context(), r.FormValue("u")) // the phone shows the error
		}
		v.redirect(w, r)
	case "POST submit":
		v.submit(w, r)
	case "GET load":
		v.load(w, r)
	default:
		http.NotFound(w, r)
	}
}

// redirect sends the frame to the page that the phone shows now.
func (v *View) redirect(w http.ResponseWriter, r *http.Request) {
	SetHeaders(w, v.policy(r))
	http.Redirect(w, r, v.path+"/view", http.StatusSeeOther)
}

func (v *View) submit(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		http.Error(w, "the form is larger than 1 MiB", http.StatusRequestEntityTooLarge)
		return
	}
	if v.phone.Page() != nil {
		q := r.URL.Query()
		// The phone shows the error.
		_, _ = v.phone.SubmitURL(r.Context(), q.Get("u"), formMethod(q.Get("m")), string(body))
	}
	v.redirect(w, r)
}

// showPage serves the page on the phone, or a message if the phone has an error or no page.
func (v *View) showPage(w http.ResponseWriter, r *http.Request, texts lang.Texts) {
	version := v.version.Load() // read before the page: a change in between makes the frame reload
	page, err := v.phone.Page(), v.phone.Err()
	v.drawn.Store(version)
	SetHeaders(w, v.policy(r))
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	switch {
	case err != nil:
		writeMessage(w, texts, failureText(texts, err), texts.MustText("failure-hint"))
	case page == nil:
		writeMessage(w, texts, texts.MustText("frame-empty"), texts.MustText("frame-empty-hint"))
	case isHTML(page):
		u, err := url.Parse(page.URL)
		if err != nil {
			return // cannot happen: the phone has opened this address
		}
		rw := &rewriter{page: u, base: u, links: v}
		_, _ = io.WriteString(w, rw.rewrite(strings.ToValidUTF8(page.Body, "\uFFFD")))
	default:
		v.showFile(w, page, texts)
	}
}

// failureText returns why the phone could not open an address.
func failureText(texts lang.Texts, err error) string {
	if e := (*wechattest.PhoneError)(nil); errors.As(err, &e) {
		return texts.MustText("failure-"+e.Reason, "address", e.Address)
	}
	return texts.MustText("failure-broken", "address", "")
}

func isHTML(page *wechattest.Page) bool {
	kind, _, _ := mime.ParseMediaType(page.Header.Get("Content-Type"))
	return kind == "text/html" || kind == "application/xhtml+xml"
}

// showFile serves a page that is not HTML. Images are shown as images, text as text. Other types
// get a message.
func (v *View) showFile(w http.ResponseWriter, page *wechattest.Page, texts lang.Texts) {
	const head = `<!doctype html><meta name="viewport" content="width=device-width"><title></title>`
	kind, _, _ := mime.ParseMediaType(page.Header.Get("Content-Type"))
	switch {
	case page.Body == "":
		writeMessage(w, texts, texts.MustText("frame-status", "status", page.Status), texts.MustText("frame-no-body"))
	case strings.HasPrefix(kind, "image/"):
		src := html.EscapeString(v.loadPath(page.URL))
		_, _ = io.WriteString(w, `<!doctype html><title></title><img alt="" src="`+src+`">`)
	case isText(kind):
		_, _ = io.WriteString(w, head+`<pre style="white-space:pre-wrap;overflow-wrap:anywhere">`+
			html.EscapeString(strings.ToValidUTF8(page.Body, "\uFFFD"))+`</pre>`)
	default:
		writeMessage(w, texts, texts.MustText("frame-kind", "type", kind), "")
	}
}

// isText reports whether a media type is shown as text.
func isText(kind string) bool {
	return strings.HasPrefix(kind, "text/") || strings.HasSuffix(kind, "json") ||
		strings.HasSuffix(kind, "xml") || strings.HasSuffix(kind, "javascript")
}

// writeMessage writes a page with a message of the phone itself, not of the app.
func writeMessage(w io.Writer, texts lang.Texts, title, hint string) {
	const style = `html{color-scheme:light dark;height:100%}` +
		`body{font:16px/1.6 system-ui,sans-serif;margin:0;min-height:100%;display:grid;place-content:center;` +
		`text-align:center;padding:0 24px;box-sizing:border-box}` +
		`p{margin:.3em 0;overflow-wrap:anywhere}.h{opacity:.65;font-size:14px}`
	_, _ = io.WriteString(w, `<!doctype html><html lang="`+texts.Lang+`">`+
		`<meta name="viewport" content="width=device-width"><title></title><style>`+style+`</style>`+
		`<p>`+html.EscapeString(title)+`</p><p class="h">`+html.EscapeString(hint)+`</p></html>`)
}

// followPath returns the path that replaces the address of a link. loadPath is for an image, a
// style sheet or a font. submitPath is for a form.
func (v *View) followPath(address string) string { return v.path + "/go?u=" + url.QueryEscape(address) }

func (v *View) loadPath(address string) string { return v.path + "/load?u=" + url.QueryEscape(address) }

func (v *View) submitPath(address, method string) string {
	return v.path + "/submit?m=" + strings.ToLower(method) + "&u=" + url.QueryEscape(address)
}

// load serves an image, a style sheet or a font of the page. Other types get status 404: HTML of
// the app must not be served as a page of the simulator.
func (v *View) load(w http.ResponseWriter, r *http.Request) {
	if v.phone.Page() == nil {
		http.NotFound(w, r)
		return
	}
	dest := "image" // the Sec-Fetch-Dest that the phone sends
	if d := r.Header.Get("Sec-Fetch-Dest"); d == "style" || d == "font" {
		dest = d
	}
	address := r.FormValue("u")
	file, err := v.phone.Load(r.Context(), address, dest)
	if err != nil {
		http.Error(w, "the phone could not load the file", http.StatusBadGateway)
		return
	}
	kind, _, _ := mime.ParseMediaType(file.Header.Get("Content-Type"))
	body := file.Body
	var params map[string]string
	switch {
	case kind == "text/css":
		base, _ := link.Resolve(nil, address) // succeeds, because the phone has loaded the address
		rw := &rewriter{page: base, base: base, links: v}
		body = rewriteCSS(strings.ToValidUTF8(body, "\uFFFD"), rw.loadRef)
		params = map[string]string{"charset": "utf-8"}
	case !isImageOrFont(kind):
		http.NotFound(w, r)
		return
	}
	// An SVG image in its own browser tab is a document and could run scripts. This policy allows
	// only inline styles.
	SetHeaders(w, "default-src 'none'; style-src 'unsafe-inline'; sandbox")
	w.Header().Set("Content-Type", mime.FormatMediaType(kind, params))
	w.Header().Set("Access-Control-Allow-Origin", "null") // the opaque origin of the frame; fonts require it
	w.WriteHeader(file.Status)
	_, _ = io.WriteString(w, body)
}

func isImageOrFont(kind string) bool {
	for _, prefix := range []string{"image/", "font/", "application/font", "application/x-font"} {
		if strings.HasPrefix(kind, prefix) {
			return true
		}
	}
	return kind == "application/vnd.ms-fontobject"
}
