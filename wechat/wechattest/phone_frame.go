package wechattest

import (
	"errors"
	"html"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// A frame shows a phone's page inside the control page. The page is a stranger's, so it comes in a sandboxed frame of
// an opaque origin, written anew by a rewriter, under a content policy that lets it load from its own frame only. What it sends
// carries "Origin: null" and counts as cross-site; so these addresses are guarded not by their origin but by a token in the
// path that only the control page knows. Nothing sends it on: the frame has no referrer and reaches no other host.
//
//	GET  /f/{token}/view            the page that the phone shows, rewritten
//	GET  /f/{token}/go?u=           a link was pressed
//	POST /f/{token}/submit?u=&m=    a form was sent
//	GET  /f/{token}/load?u=&d=      a picture, a style sheet or a font of the page
type frame struct {
	phone *Phone
	path  string // "/f/{token}"
}

const frameSandbox = "allow-forms"

// policy is the content policy of what a frame shows. Addresses are written out, since 'self' of an opaque origin is
// nobody.
func (f *frame) policy(r *http.Request) string {
	at := requestOrigin(r) + f.path
	return "default-src 'none'; img-src " + at + "/load data:; style-src " + at + "/load 'unsafe-inline'; font-src " + at +
		"/load data:; form-action " + at + "/submit; frame-ancestors " + requestOrigin(r) + "; base-uri 'none'; sandbox " + frameSandbox
}

func requestOrigin(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

func frameHeaders(w http.ResponseWriter, policy string) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
}

// serve answers for one frame; what is the rest of the path.
func (f *frame) serve(w http.ResponseWriter, r *http.Request, what string, say *speech) {
	switch r.Method + " " + what {
	case "GET view":
		f.view(w, r, say)
	case "GET go":
		if page := f.phone.Page(); page != nil {
			_, _ = f.phone.follow(r.Context(), page, r.FormValue("u")) // the phone shows what went wrong
		}
		f.back(w, r)
	case "POST submit":
		f.submit(w, r)
	case "GET load":
		f.load(w, r)
	default:
		http.NotFound(w, r)
	}
}

// back sends the frame to the page that the phone shows now.
func (f *frame) back(w http.ResponseWriter, r *http.Request) {
	frameHeaders(w, f.policy(r))
	http.Redirect(w, r, f.path+"/view", http.StatusSeeOther)
}

func (f *frame) submit(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
	var data strings.Builder
	buf := make([]byte, 32<<10)
	for {
		n, err := r.Body.Read(buf)
		data.Write(buf[:n])
		if tooBig := (*http.MaxBytesError)(nil); errors.As(err, &tooBig) {
			http.Error(w, "the form is larger than 1 MiB", http.StatusRequestEntityTooLarge)
			return
		} else if err != nil {
			break
		}
	}
	if page := f.phone.Page(); page != nil {
		q := r.URL.Query()
		_, _ = f.phone.submit(r.Context(), page, q.Get("u"), formMethod(q.Get("m")), data.String()) // as above
	}
	f.back(w, r)
}

// view writes the page. It changes nothing but the note that this state of the phone was drawn.
func (f *frame) view(w http.ResponseWriter, r *http.Request, say *speech) {
	page, trouble := f.phone.drawn()
	frameHeaders(w, f.policy(r))
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	switch {
	case trouble != nil:
		f.note(w, say, say.text(string(trouble.kind), trouble.at), say.text("trouble-stays"))
	case page == nil:
		f.note(w, say, say.text("frame-empty"), say.text("frame-empty-hint"))
	case page.isHTML():
		u, err := url.Parse(page.URL)
		if err != nil {
			return
		}
		rw := &rewriter{page: u, follow: f.goAddress, load: f.loadAddress, submit: f.submitAddress}
		_, _ = w.Write([]byte(rw.rewrite(strings.ToValidUTF8(page.Body, "\uFFFD"))))
	default:
		f.plain(w, say, page)
	}
}

// plain shows what is not HTML: a picture as one, text as text.
func (f *frame) plain(w http.ResponseWriter, say *speech, page *Page) {
	kind, _, _ := mime.ParseMediaType(page.Header.Get("Content-Type"))
	switch {
	case page.Body == "":
		f.note(w, say, say.text("frame-status", strconv.Itoa(page.Status)), say.text("frame-no-body"))
	case strings.HasPrefix(kind, "image/"):
		_, _ = w.Write([]byte(`<!doctype html><title></title><img alt="" src="` + html.EscapeString(f.loadAddress(page.URL)) + `">`))
	case strings.HasPrefix(kind, "text/"), strings.HasSuffix(kind, "json"), strings.HasSuffix(kind, "xml"), strings.HasSuffix(kind, "javascript"):
		_, _ = w.Write([]byte(`<!doctype html><meta name="viewport" content="width=device-width"><title></title><pre style="white-space:pre-wrap;overflow-wrap:anywhere">` +
			html.EscapeString(strings.ToValidUTF8(page.Body, "\uFFFD")) + `</pre>`))
	default:
		f.note(w, say, say.text("frame-kind", kind), "")
	}
}

// note is a page of the phone itself.
func (f *frame) note(w http.ResponseWriter, say *speech, title, hint string) {
	_, _ = w.Write([]byte(`<!doctype html><html lang="` + say.lang + `"><meta name="viewport" content="width=device-width"><title></title>` +
		`<style>html{color-scheme:light dark;height:100%}body{font:16px/1.6 system-ui,sans-serif;margin:0;min-height:100%;display:grid;place-content:center;text-align:center;padding:0 24px;box-sizing:border-box}p{margin:.3em 0;overflow-wrap:anywhere}.h{opacity:.65;font-size:14px}</style>` +
		`<p>` + html.EscapeString(title) + `</p><p class="h">` + html.EscapeString(hint) + `</p></html>`))
}

func (f *frame) goAddress(u string) string { return f.path + "/go?u=" + url.QueryEscape(u) }

func (f *frame) loadAddress(u string) string { return f.path + "/load?u=" + url.QueryEscape(u) }

func (f *frame) submitAddress(u, method string) string {
	return f.path + "/submit?m=" + lowerASCII(method) + "&u=" + url.QueryEscape(u)
}

// load passes on a picture, a style sheet or a font. Whatever else the address holds stays where it is.
func (f *frame) load(w http.ResponseWriter, r *http.Request) {
	page := f.phone.Page()
	if page == nil {
		http.NotFound(w, r)
		return
	}
	dest := "image"
	switch d := r.Header.Get("Sec-Fetch-Dest"); d {
	case "style", "font":
		dest = d
	}
	a, err := f.phone.load(r.Context(), page, r.FormValue("u"), dest)
	if err != nil {
		http.Error(w, "the phone could not load this", http.StatusBadGateway)
		return
	}
	kind, _, _ := mime.ParseMediaType(a.header.Get("Content-Type"))
	body := a.body
	var params map[string]string
	switch {
	case kind == "text/css":
		base, _ := resolve(nil, r.FormValue("u"))
		rw := &rewriter{page: base, base: base, load: f.loadAddress}
		body = rewriteCSS(strings.ToValidUTF8(body, "\uFFFD"), rw.loadRef)
		params = map[string]string{"charset": "utf-8"}
	case strings.HasPrefix(kind, "image/"), strings.HasPrefix(kind, "font/"), strings.HasPrefix(kind, "application/font"),
		strings.HasPrefix(kind, "application/x-font"), kind == "application/vnd.ms-fontobject":
	default:
		http.NotFound(w, r)
		return
	}
	// A picture that is opened by itself is a page of its own: it may do nothing there.
	frameHeaders(w, "default-src 'none'; style-src 'unsafe-inline'; sandbox")
	w.Header().Set("Content-Type", mime.FormatMediaType(kind, params))
	// The frame is of an opaque origin; without this its fonts are refused.
	w.Header().Set("Access-Control-Allow-Origin", "null")
	w.WriteHeader(a.status)
	_, _ = w.Write([]byte(body))
}
