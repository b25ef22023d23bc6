package simulator

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/weigate/weigate/wechat/wechattest"
)

// mountAPI adds the JSON API, for scripts and for tests in any language. The package comment in
// simulator.go documents the API.
func (c *control) mountAPI(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/state", c.apiState)
	mux.HandleFunc("GET /api/log", c.apiLog)
	mux.HandleFunc("POST /api/quirks", c.apiQuirks)
	mux.HandleFunc("POST /api/faults", c.apiAddFault)
	mux.HandleFunc("DELETE /api/faults", c.apiClearFaults)
	mux.HandleFunc("POST /api/clock", c.apiClock)
	mux.HandleFunc("POST /api/phones/{person}", c.apiPhone)
	mux.HandleFunc("/api/", func(w http.ResponseWriter, _ *http.Request) {
		writeError(w, http.StatusNotFound, "unknown API path")
	})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	setHeaders(w)
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // fails only when the caller has disconnected
}

func writeError(w http.ResponseWriter, status int, message string) {
	writeJSON(w, status, map[string]string{"error": message})
}

// readJSON decodes the body of a request. It rejects unknown fields and data after the JSON object.
// For an invalid body it writes the error response and returns false.
func readJSON(w http.ResponseWriter, r *http.Request, into any) bool {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		writeError(w, http.StatusBadRequest, "body: not the expected JSON object: "+err.Error())
		return false
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		writeError(w, http.StatusBadRequest, "body: unexpected data after the JSON object")
		return false
	}
	return true
}

func (c *control) apiState(w http.ResponseWriter, _ *http.Request) {
	s := c.server
	var apps, people, codes []map[string]any
	for _, a := range s.Apps() {
		apps = append(apps, map[string]any{"appid": a.AppID, "kind": a.Kind.String(), "name": a.Name,
			"domains": a.Domains, "openPlatform": a.OpenPlatform, "ipList": a.IPList, "banned": a.Banned})
	}
	for _, p := range s.People() {
		people = append(people, map[string]any{"id": p.ID, "nickname": printable(p.Nickname), "follows": p.Follows,
			"deregistered": p.Deregistered, "frozen": p.Frozen, "page": pageJSON(s.Phone(p.ID).Page())})
	}
	for _, q := range s.QRCodes() {
		codes = append(codes, map[string]any{"uuid": q.UUID, "link": q.Link, "appid": q.AppID, "status": int(q.Status),
			"person": q.Person, "made": q.Made})
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"seed": strconv.FormatUint(s.Seed(), 10), // a string: JavaScript would round the number
		"now":  s.Now(), "quirks": quirksJSON(s.Quirks()),
		"apps": apps, "people": people, "qrCodes": codes, "faults": faultsJSON(s.Faults()),
	})
}

// callJSON is a wechattest.Call (one request in the log) in the JSON format of the API.
type callJSON struct {
	ID       int         `json:"id"`
	Time     time.Time   `json:"time"`
	Duration string      `json:"duration"`
	Method   string      `json:"method"`
	Endpoint string      `json:"endpoint"`
	Params   [][2]string `json:"params"`
	AppID    string      `json:"appid"`
	Person   string      `json:"person"`
	Remote   string      `json:"remote"`
	Status   int         `json:"status"`
	Errcode  int         `json:"errcode"`
	Answer   string      `json:"answer"`
	Fault    bool        `json:"fault"`
}

func (c *control) apiLog(w http.ResponseWriter, r *http.Request) {
	after, _ := strconv.Atoi(r.FormValue("after")) // 0 if missing or malformed: returns the whole log
	last, calls := after, []callJSON{}
	for _, call := range c.server.Calls() {
		if call.ID <= after {
			continue
		}
		j := callJSON{
			ID: call.ID, Time: call.Time, Duration: call.Duration.String(), Method: call.Method,
			Endpoint: call.Endpoint, Params: [][2]string{}, AppID: call.AppID, Person: call.Person,
			Remote: call.Remote, Status: call.Status,
			Errcode: call.Errcode, Answer: call.Answer, Fault: call.Fault,
		}
		for _, p := range call.Params {
			j.Params = append(j.Params, [2]string{p.Name, p.Value})
		}
		last, calls = call.ID, append(calls, j)
	}
	writeJSON(w, http.StatusOK, map[string]any{"last": last, "calls": calls})
}

func (c *control) apiQuirks(w http.ResponseWriter, r *http.Request) {
	var raw map[string]json.RawMessage
	if !readJSON(w, r, &raw) {
		return
	}
	values := map[string]string{}
	for name, v := range raw {
		text, err := jsonText(v)
		if err != nil {
			writeError(w, http.StatusBadRequest, "quirk "+name+": "+err.Error())
			return
		}
		values[name] = text
	}
	if err := c.setQuirks(values); err != nil {
		writeError(w, http.StatusBadRequest, err.Error())
		return
	}
	c.changed()
	writeJSON(w, http.StatusOK, quirksJSON(c.server.Quirks()))
}

// faultJSON is a wechattest.Fault (a failure to inject into requests) in the JSON format of the
// API.
type faultJSON struct {
	Endpoint    string `json:"endpoint,omitempty"`  // path; "" for every path
	AppID       string `json:"appid,omitempty"`     // "" for every app
	Skip        int    `json:"skip,omitempty"`      // requests to let through first
	Times       int    `json:"times,omitempty"`     // requests that fail; negative for all
	AfterWork   bool   `json:"afterWork,omitempty"` // process the request before it fails
	Latency     string `json:"latency,omitempty"`   // such as "15s"
	Errcode     int    `json:"errcode,omitempty"`
	Errmsg      string `json:"errmsg,omitempty"`
	Status      int    `json:"status,omitempty"` // HTTP status
	Body        string `json:"body,omitempty"`
	ContentType string `json:"contentType,omitempty"`
	Truncate    int    `json:"truncate,omitempty"` // send only this many bytes of the body
	Cut         bool   `json:"cut,omitempty"`      // close the connection
}

func faultsJSON(faults []wechattest.Fault) []faultJSON {
	out := []faultJSON{}
	for _, f := range faults {
		j := faultJSON{
			Endpoint: f.Endpoint, AppID: f.AppID, Skip: f.Skip, Times: f.Times, AfterWork: f.AfterWork,
			Errcode: f.Errcode, Errmsg: f.Errmsg, Status: f.Status, Body: f.Body, ContentType: f.ContentType,
			Truncate: f.Truncate, Cut: f.Cut,
		}
		if f.Latency > 0 {
			j.Latency = f.Latency.String()
		}
		out = append(out, j)
	}
	return out
}

func (c *control) apiAddFault(w http.ResponseWriter, r *http.Request) {
	var j faultJSON
	if !readJSON(w, r, &j) {
		return
	}
	f := wechattest.Fault{
		Endpoint: j.Endpoint, AppID: j.AppID, Skip: j.Skip, Times: j.Times, AfterWork: j.AfterWork, Errcode: j.Errcode,
		Errmsg: j.Errmsg, Status: j.Status, Body: j.Body, ContentType: j.ContentType, Truncate: j.Truncate, Cut: j.Cut,
	}
	if j.Latency != "" {
		d, err := time.ParseDuration(j.Latency)
		if err != nil || d < 0 {
			writeError(w, http.StatusBadRequest, "latency: not a duration such as 15s")
			return
		}
		f.Latency = d
	}
	c.server.Fail(f)
	c.changed()
	writeJSON(w, http.StatusOK, map[string]any{"faults": faultsJSON(c.server.Faults())})
}

func (c *control) apiClearFaults(w http.ResponseWriter, _ *http.Request) {
	c.server.ClearFaults()
	c.changed()
	writeJSON(w, http.StatusOK, map[string]any{"faults": []any{}})
}

func (c *control) apiClock(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Advance string `json:"advance"`
	}
	if !readJSON(w, r, &body) {
		return
	}
	d, err := time.ParseDuration(body.Advance)
	if err != nil {
		writeError(w, http.StatusBadRequest, "advance: not a duration such as 5m or 720h")
		return
	}
	c.server.Advance(d)
	c.changed()
	writeJSON(w, http.StatusOK, map[string]any{"now": c.server.Now()})
}

func (c *control) apiPhone(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Do   string            `json:"do"`
		At   string            `json:"at"`
		Fill map[string]string `json:"fill"`
	}
	id := r.PathValue("person")
	if !c.hasPerson(id) {
		writeError(w, http.StatusNotFound, "unknown person "+strconv.Quote(id))
		return
	}
	if !readJSON(w, r, &body) {
		return
	}
	fill := url.Values{}
	for k, v := range body.Fill {
		fill.Set(k, v)
	}
	phone := c.server.Phone(id)
	known, err := c.doAction(r.Context(), phone, phoneAction{do: body.Do, at: body.At, fill: fill})
	switch {
	case !known:
		writeError(w, http.StatusBadRequest, "do: unknown action "+strconv.Quote(body.Do)+", or unknown browser")
	case errors.Is(err, wechattest.ErrNotOnPage), errors.Is(err, wechattest.ErrNoPage):
		writeError(w, http.StatusNotFound, err.Error())
	case err != nil:
		writeError(w, http.StatusBadGateway, err.Error())
	default:
		writeJSON(w, http.StatusOK, wholePageJSON(phone.Page()))
	}
}

// pageJSON returns a short description of a page; nil for no page.
func pageJSON(p *wechattest.Page) map[string]any {
	if p == nil {
		return nil
	}
	return map[string]any{"url": p.URL, "status": p.Status, "title": p.Title, "snapshot": p.Snapshot}
}

// wholePageJSON returns the fields of pageJSON, and the text, body, links and buttons of the page.
func wholePageJSON(p *wechattest.Page) map[string]any {
	out := pageJSON(p)
	if p == nil {
		return out
	}
	links, buttons := []map[string]string{}, []map[string]string{}
	for _, l := range p.Links {
		links = append(links, map[string]string{"text": l.Text, "url": l.URL})
	}
	for _, b := range p.Buttons {
		buttons = append(buttons, map[string]string{"text": b.Text, "name": b.Name, "value": b.Value, "action": b.URL})
	}
	out["text"], out["body"] = p.Text(), p.Body
	out["links"], out["buttons"], out["redirects"] = links, buttons, len(p.Hops)
	if p.RefreshURL != "" {
		out["refresh"] = p.RefreshURL
	}
	return out
}
