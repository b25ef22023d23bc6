package simulator

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/weigate/weigate/wechat/wechattest"
)

// behaviourRoutes are the endpoints for quirks (undocumented behaviour of WeChat, which can be
// switched on and off), faults (injected failures), the clock and the log.
func (c *control) behaviourRoutes() []route {
	return []route{
		{method: "GET", path: "/api/quirks", does: "returns the quirks", serve: c.apiQuirks},
		{method: "PATCH", path: "/api/quirks", does: "changes quirks", serve: c.apiChangeQuirks},
		{method: "GET", path: "/api/faults", does: "lists the pending faults", serve: c.apiFaults},
		{method: "POST", path: "/api/faults", does: "adds a fault", status: http.StatusCreated, serve: c.apiAddFault},
		{method: "DELETE", path: "/api/faults", does: "removes all faults", serve: c.apiClearFaults},
		{method: "GET", path: "/api/clock", does: "returns the simulator's time", serve: c.apiClock},
		{method: "POST", path: "/api/clock", does: "moves the simulator's time", serve: c.apiAdvance},
		{method: "GET", path: "/api/log", does: "returns requests and answers, oldest first", serve: c.apiLog},
	}
}

func (c *control) apiState(*http.Request) (any, error) {
	s := c.server
	apps, phones := c.apps(), []phoneJSON{}
	for i := range apps {
		// Users copy the state into bug reports.
		apps[i].Secret, apps[i].Push.Token, apps[i].Push.AESKey = "", "", ""
	}
	for _, p := range s.People() {
		phones = append(phones, newPhoneJSON(s.Phone(p.ID)))
	}
	return map[string]any{
		"seed": strconv.FormatUint(s.Seed(), 10), // a string: JavaScript would round the number
		"now":  s.Now().UTC(), "quirks": quirksJSON(s.Quirks()), "apps": apps, "people": c.people(), "phones": phones,
		"qrCodes": c.qrCodes(), "faults": faultsJSON(s.Faults()),
	}, nil
}

func (c *control) apiReset(r *http.Request) (any, error) {
	if err := readJSON(r, &struct{}{}); err != nil {
		return nil, err
	}
	c.server.Reset()
	return c.apiState(r)
}

func (c *control) apiQuirks(*http.Request) (any, error) { return quirksJSON(c.server.Quirks()), nil }

func (c *control) apiChangeQuirks(r *http.Request) (any, error) {
	body := map[string]json.RawMessage{}
	if err := readJSON(r, &body); err != nil {
		return nil, err
	}
	values := map[string]string{}
	for name, v := range body {
		text, err := jsonText(v)
		if err != nil {
			return nil, invalid(name, err.Error())
		}
		values[name] = text
	}
	if err := c.setQuirks(values); err != nil {
		return nil, err
	}
	return quirksJSON(c.server.Quirks()), nil
}

// faultJSON is a wechattest.Fault (a failure to inject into requests) in the JSON format of the
// API.
type faultJSON struct {
	Endpoint    string `json:"endpoint"`  // path; "" for every path
	AppID       string `json:"appid"`     // "" for every app
	Skip        int    `json:"skip"`      // requests to let through first
	Times       int    `json:"times"`     // requests that fail; negative for all
	AfterWork   bool   `json:"afterWork"` // process the request before it fails
	Latency     string `json:"latency"`   // such as "15s"
	Errcode     int    `json:"errcode"`
	Errmsg      string `json:"errmsg"`
	Status      int    `json:"status"` // HTTP status
	Body        string `json:"body"`
	ContentType string `json:"contentType"`
	Truncate    int    `json:"truncate"` // send only this many bytes of the body
	Cut         bool   `json:"cut"`      // close the connection
}

func faultsJSON(faults []wechattest.Fault) []faultJSON {
	out := []faultJSON{}
	for _, f := range faults {
		out = append(out, faultJSON{
			Endpoint: f.Endpoint, AppID: f.AppID, Skip: f.Skip, Times: f.Times, AfterWork: f.AfterWork,
			Latency: f.Latency.String(), Errcode: f.Errcode, Errmsg: f.Errmsg, Status: f.Status, Body: f.Body,
			ContentType: f.ContentType, Truncate: f.Truncate, Cut: f.Cut,
		})
	}
	return out
}

// fault returns the fault that a request describes.
func (j *faultJSON) fault() (f wechattest.Fault, err error) {
	f = wechattest.Fault{
		Endpoint: j.Endpoint, AppID: j.AppID, Skip: j.Skip, Times: j.Times, AfterWork: j.AfterWork, Errcode: j.Errcode,
		Errmsg: j.Errmsg, Status: j.Status, Body: j.Body, ContentType: j.ContentType, Truncate: j.Truncate, Cut: j.Cut,
	}
	if j.Latency != "" {
		if f.Latency, err = time.ParseDuration(j.Latency); err != nil || f.Latency < 0 || f.Latency > maxLatency {
			return f, invalid("latency", strconv.Quote(j.Latency)+" is not a duration between 0s and 10m, such as 15s")
		}
	}
	switch {
	case j.Endpoint != "" && !strings.HasPrefix(j.Endpoint, "/"):
		return f, invalid("endpoint", strconv.Quote(j.Endpoint)+" is not a path of WeChat, such as /sns/userinfo")
	case f.Check() != nil:
		return f, withField(f.Check(), "endpoint")
	case j.Times == 0:
		return f, invalid("times", "must not be 0: a positive number of requests, or a negative number for all")
	case j.Skip < 0:
		return f, invalid("skip", "must not be negative")
	case j.Truncate < 0:
		return f, invalid("truncate", "must not be negative")
	case j.Status != 0 && (j.Status < 200 || j.Status > 599):
		return f, invalid("status", "must be between 200 and 599")
	case j.Errcode != 0 && j.Body != "":
		return f, invalid("errcode", "cannot be combined with body, which is the whole answer")
	case j.Errmsg != "" && j.Errcode == 0:
		return f, invalid("errmsg", "needs errcode")
	case j.ContentType != "" && j.Body == "":
		return f, invalid("contentType", "needs body")
	case strings.ContainsAny(j.ContentType, "\r\n"):
		return f, invalid("contentType", "must not contain a line break")
	case j.Errcode == 0 && j.Status == 0 && j.Body == "" && j.Truncate == 0 && !j.Cut && f.Latency == 0:
		return f, invalid("errcode", "missing: set errcode, status, body, latency, truncate or cut")
	}
	return f, nil
}

// maxLatency is the maximum latency of a fault that the API accepts. With this limit, a typing
// mistake does not block a client for hours.
const maxLatency = 10 * time.Minute

func (c *control) faults() (any, error) {
	return map[string]any{"faults": faultsJSON(c.server.Faults())}, nil
}

func (c *control) apiFaults(*http.Request) (any, error) { return c.faults() }

func (c *control) apiAddFault(r *http.Request) (any, error) {
	j := faultJSON{Times: 1} // 1 unless the body of this request sets times; fault rejects 0
	if err := readJSON(r, &j); err != nil {
		return nil, err
	}
	f, err := j.fault()
	if err != nil {
		return nil, err
	}
	if f.AppID != "" {
		if _, err := c.findApp(f.AppID); err != nil {
			return nil, err
		}
	}
	c.server.Fail(f)
	return c.faults()
}

func (c *control) apiClearFaults(*http.Request) (any, error) {
	c.server.ClearFaults()
	return c.faults()
}

func (c *control) apiClock(*http.Request) (any, error) {
	return map[string]any{"now": c.server.Now().UTC()}, nil
}

func (c *control) apiAdvance(r *http.Request) (any, error) {
	var body struct {
		Advance string `json:"advance"`
	}
	if err := readJSON(r, &body); err != nil {
		return nil, err
	}
	d, err := time.ParseDuration(body.Advance)
	if err != nil {
		return nil, invalid("advance", strconv.Quote(body.Advance)+
			" is not a duration such as 90s, 5m or 720h; the units are h, m and s")
	}
	c.server.Advance(d)
	return c.apiClock(r)
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

func (c *control) apiLog(r *http.Request) (any, error) {
	after := 0
	if text := r.FormValue("after"); text != "" {
		var err error
		if after, err = strconv.Atoi(text); err != nil {
			return nil, invalid("after", strconv.Quote(text)+" is not the id of a request")
		}
	}
	last, calls := after, []callJSON{}
	for _, call := range c.server.Calls() {
		if call.ID <= after {
			continue
		}
		j := callJSON{
			ID: call.ID, Time: call.Time.UTC(), Duration: call.Duration.String(), Method: call.Method,
			Endpoint: call.Endpoint, Params: [][2]string{}, AppID: call.AppID, Person: call.Person,
			Remote: call.Remote, Status: call.Status,
			Errcode: call.Errcode, Answer: call.Answer, Fault: call.Fault,
		}
		for _, p := range call.Params {
			j.Params = append(j.Params, [2]string{p.Name, p.Value})
		}
		last, calls = call.ID, append(calls, j)
	}
	return map[string]any{"last": last, "calls": calls}, nil
}
