package wechattest

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

func (c *control) mountAPI(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/state", c.apiState)
	mux.HandleFunc("GET /api/log", c.apiLog)
	mux.HandleFunc("POST /api/switches", c.apiSwitches)
	mux.HandleFunc("POST /api/faults", c.apiAddFault)
	mux.HandleFunc("DELETE /api/faults", func(w http.ResponseWriter, _ *http.Request) {
		c.server.ClearFaults()
		c.changed()
		apiAnswer(w, map[string]any{"faults": []any{}})
	})
	mux.HandleFunc("POST /api/clock", c.apiClock)
	mux.HandleFunc("POST /api/phones/{person}", c.apiPhone)
	mux.HandleFunc("/api/", func(w http.ResponseWriter, _ *http.Request) {
		apiError(w, http.StatusNotFound, "there is no such call")
	})
}

func apiAnswer(w http.ResponseWriter, v any) {
	controlHeaders(w)
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(v) // the caller is gone, or everything in v can be encoded
}

func apiError(w http.ResponseWriter, status int, message string) {
	controlHeaders(w)
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": message}) // as above
}

// apiBody reads a JSON object, strictly. A false answer was answered already.
func apiBody(w http.ResponseWriter, r *http.Request, into any) bool {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		apiError(w, http.StatusBadRequest, "the body is not the expected JSON object: "+err.Error())
		return false
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		apiError(w, http.StatusBadRequest, "something follows the JSON object")
		return false
	}
	return true
}

func (c *control) apiState(w http.ResponseWriter, _ *http.Request) {
	s := c.server
	var apps, people, codes []map[string]any
	for _, a := range s.Apps() {
		apps = append(apps, map[string]any{"appid": a.AppID, "kind": a.Kind.String(), "name": a.Name, "domains": a.Domains,
			"openPlatform": a.OpenPlatform, "ipList": a.IPList, "banned": a.Banned})
	}
	for _, p := range s.People() {
		people = append(people, map[string]any{"id": p.ID, "nickname": printable(p.Nickname), "follows": p.Follows,
			"deregistered": p.Deregistered, "frozen": p.Frozen, "page": pageJSON(s.Phone(p.ID).Page(), false)})
	}
	for _, q := range s.QRCodes() {
		codes = append(codes, map[string]any{"uuid": q.UUID, "link": q.Link, "appid": q.AppID, "status": int(q.Status), "person": q.Person, "made": q.Made})
	}
	apiAnswer(w, map[string]any{"seed": strconv.FormatUint(s.Seed(), 10), "now": s.Now(), "switches": switchesJSON(s.Switches()),
		"apps": apps, "people": people, "qrCodes": codes, "faults": faultsJSON(s.Faults())})
}

// callJSON is a Call for scripts.
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
	after, _ := strconv.Atoi(r.FormValue("after")) // none is 0: everything
	last, calls := after, []callJSON{}
	for _, k := range c.server.Calls() {
		if k.ID <= after {
			continue
		}
		j := callJSON{k.ID, k.Time, k.Duration.String(), k.Method, k.Endpoint, [][2]string{}, k.AppID, k.Person, k.Remote, k.Status, k.Errcode, k.Answer, k.Fault}
		for _, p := range k.Params {
			j.Params = append(j.Params, [2]string{p.Name, p.Value})
		}
		last, calls = k.ID, append(calls, j)
	}
	apiAnswer(w, map[string]any{"last": last, "calls": calls})
}

func (c *control) apiSwitches(w http.ResponseWriter, r *http.Request) {
	var raw map[string]json.RawMessage
	if !apiBody(w, r, &raw) {
		return
	}
	values := map[string]string{}
	for name, v := range raw {
		text, err := jsonText(v)
		if err != nil {
			apiError(w, http.StatusBadRequest, "switch "+name+": "+err.Error())
			return
		}
		values[name] = text
	}
	if err := c.server.setSwitches(values); err != nil {
		apiError(w, http.StatusBadRequest, err.Error())
		return
	}
	c.changed()
	apiAnswer(w, switchesJSON(c.server.Switches()))
}

// faultJSON is a Fault for scripts.
type faultJSON struct {
	Endpoint    string `json:"endpoint,omitempty"`
	AppID       string `json:"appid,omitempty"`
	Skip        int    `json:"skip,omitempty"`
	Times       int    `json:"times,omitempty"`
	AfterWork   bool   `json:"afterWork,omitempty"`
	Latency     string `json:"latency,omitempty"`
	Errcode     int    `json:"errcode,omitempty"`
	Errmsg      string `json:"errmsg,omitempty"`
	Status      int    `json:"status,omitempty"`
	Body        string `json:"body,omitempty"`
	ContentType string `json:"contentType,omitempty"`
	Truncate    int    `json:"truncate,omitempty"`
	Cut         bool   `json:"cut,omitempty"`
}

func faultsJSON(faults []Fault) []faultJSON {
	out := []faultJSON{}
	for _, f := range faults {
		j := faultJSON{f.Endpoint, f.AppID, f.Skip, f.Times, f.AfterWork, "", f.Errcode, f.Errmsg, f.Status, f.Body, f.ContentType, f.Truncate, f.Cut}
		if f.Latency > 0 {
			j.Latency = f.Latency.String()
		}
		out = append(out, j)
	}
	return out
}

func (c *control) apiAddFault(w http.ResponseWriter, r *http.Request) {
	var j faultJSON
	if !apiBody(w, r, &j) {
		return
	}
	f := Fault{Endpoint: j.Endpoint, AppID: j.AppID, Skip: j.Skip, Times: j.Times, AfterWork: j.AfterWork, Errcode: j.Errcode, Errmsg: j.Errmsg,
		Status: j.Status, Body: j.Body, ContentType: j.ContentType, Truncate: j.Truncate, Cut: j.Cut}
	if j.Latency != "" {
		d, err := time.ParseDuration(j.Latency)
		if err != nil || d < 0 {
			apiError(w, http.StatusBadRequest, "latency is not a duration such as 15s")
			return
		}
		f.Latency = d
	}
	c.server.Fail(f)
	c.changed()
	apiAnswer(w, map[string]any{"faults": faultsJSON(c.server.Faults())})
}

func (c *control) apiClock(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Advance string `json:"advance"`
	}
	if !apiBody(w, r, &body) {
		return
	}
	d, err := time.ParseDuration(body.Advance)
	if err != nil {
		apiError(w, http.StatusBadRequest, "advance is not a duration such as 5m or 720h")
		return
	}
	c.server.Advance(d)
	c.changed()
	apiAnswer(w, map[string]any{"now": c.server.Now()})
}

func (c *control) apiPhone(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Do   string            `json:"do"`
		At   string            `json:"at"`
		Fill map[string]string `json:"fill"`
	}
	id := r.PathValue("person")
	if !c.server.hasPerson(id) {
		apiError(w, http.StatusNotFound, "there is no such person")
		return
	}
	if !apiBody(w, r, &body) {
		return
	}
	fill := url.Values{}
	for k, v := range body.Fill {
		fill.Set(k, v)
	}
	phone := c.server.Phone(id)
	ok, err := c.do(r, phone, body.Do, body.At, fill)
	switch {
	case !ok:
		apiError(w, http.StatusBadRequest, "a phone does not know how to do this: "+strconv.Quote(body.Do))
	case errors.Is(err, ErrNotThere), errors.Is(err, ErrNoPage):
		apiError(w, http.StatusNotFound, err.Error())
	case err != nil:
		apiError(w, http.StatusBadGateway, err.Error())
	default:
		apiAnswer(w, pageJSON(phone.Page(), true))
	}
}

// pageJSON is a page for scripts; null for none. whole adds its text and what can be pressed.
func pageJSON(p *Page, whole bool) any {
	if p == nil {
		return nil
	}
	out := map[string]any{"url": p.URL, "status": p.Status, "title": p.Title, "snapshot": p.Snapshot}
	if !whole {
		return out
	}
	links, buttons := []map[string]string{}, []map[string]string{}
	for _, l := range p.Links {
		links = append(links, map[string]string{"text": l.Text, "url": l.URL})
	}
	for _, f := range p.Forms {
		for _, b := range f.Buttons {
			buttons = append(buttons, map[string]string{"text": b.Text, "name": b.Name, "value": b.Value, "action": f.Action})
		}
	}
	out["text"], out["body"], out["links"], out["buttons"], out["redirects"] = p.Text(), p.Body, links, buttons, len(p.Hops)
	if p.Refresh != nil {
		out["refresh"] = p.Refresh.URL
	}
	return out
}
