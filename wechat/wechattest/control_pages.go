package wechattest

import (
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// personCard is a person as the control page draws them.
type personCard struct {
	ID, Nickname string
	Tags         []string // keys of the catalogue
	At           string   // the title or the address of what the phone shows
}

func (c *control) card(p *Person) personCard {
	out := personCard{ID: p.ID, Nickname: printable(p.Nickname)}
	for key, on := range map[string]bool{"tag-deregistered": p.Deregistered, "tag-frozen": p.Frozen, "tag-snapshot": p.Snapshot, "tag-follows-none": len(p.Follows) == 0} {
		if on {
			out.Tags = append(out.Tags, key)
		}
	}
	slices.Sort(out.Tags)
	if page := c.server.Phone(p.ID).Page(); page != nil {
		if out.At = page.Title; out.At == "" {
			out.At = maskURL(page.URL)
		}
	}
	return out
}

// printable is a text without what does not print: nicknames of the simulator are unkind on purpose.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '\uFFFD'
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

func (c *control) cards() []personCard {
	people := c.server.People()
	out := make([]personCard, len(people))
	for i := range people {
		out[i] = c.card(&people[i])
	}
	return out
}

// recent are the last n calls, newest first, of one person or, with "", of all.
func (c *control) recent(n int, person string) []Call {
	var out []Call
	for _, call := range slices.Backward(c.server.Calls()) {
		if person != "" && call.Person != person {
			continue
		}
		call.Answer = printable(call.Answer)
		if out = append(out, call); len(out) == n {
			break
		}
	}
	return out
}

func (c *control) people(w http.ResponseWriter, r *http.Request) {
	say := controlSpeech(r, c.speeches)
	c.show(w, r, http.StatusOK, "people", say.text("nav-people"), map[string]any{
		"People": c.cards(), "Codes": c.server.QRCodes(), "Calls": c.recent(8, ""),
	})
}

// picture is the picture of a person, from the simulator's own pages.
func (c *control) picture(w http.ResponseWriter, r *http.Request) {
	req := r.Clone(inProcess(r.Context()))
	req.Method, req.Body = http.MethodGet, http.NoBody
	req.URL = &url.URL{Path: "/mmopen/vi_32/" + url.PathEscape(r.PathValue("person")) + "/132"}
	req.Host = "thirdwx.qlogo.cn"
	c.server.ServeHTTP(w, req)
	// Its headers are those of the simulator's picture; nothing of the control page is in it.
}

func (c *control) apps(w http.ResponseWriter, r *http.Request) {
	c.show(w, r, http.StatusOK, "apps", controlSpeech(r, c.speeches).text("nav-apps"), map[string]any{
		"Apps": c.server.Apps(), "Open": strings.TrimSuffix(c.server.cfg.OpenURL, "/"),
	})
}

// switchView is a switch as the form draws it.
type switchView struct {
	Field, Name string
	Kind        string // "bool", "choice", "person" or "text"
	Value       string
	Changed     bool
	Choices     []string
	People      []personCard
}

func (c *control) switches(w http.ResponseWriter, r *http.Request) {
	c.showSwitches(w, r, http.StatusOK, "")
}

func (c *control) showSwitches(w http.ResponseWriter, r *http.Request, status int, note string) {
	now, zero := c.server.Switches(), Switches{}
	var views []switchView
	for _, f := range switchFields() {
		v := switchView{Field: f.field, Name: f.json, Kind: "text"}
		field := reflect.ValueOf(&now).Elem().FieldByName(f.field)
		switch value := f.get(&now).(type) {
		case bool:
			v.Kind, v.Value = "bool", strconv.FormatBool(value)
		case string:
			v.Value = value
		case int:
			v.Value = strconv.Itoa(value)
		}
		if choices := switchChoices(field.Type()); choices != nil {
			v.Kind = "choice"
			for _, ch := range choices {
				v.Choices = append(v.Choices, ch.name)
			}
		}
		if f.field == "ConsentAs" {
			v.Kind, v.People = "person", c.cards()
		}
		v.Changed = f.get(&now) != f.get(&zero)
		views = append(views, v)
	}
	c.show(w, r, status, "switches", controlSpeech(r, c.speeches).text("nav-switches"), map[string]any{"Switches": views, "Note": note})
}

// setSwitches takes the whole form.
func (c *control) setSwitches(w http.ResponseWriter, r *http.Request) {
	values := map[string]string{}
	for _, f := range switchFields() {
		if r.PostFormValue(f.json) != "" || r.PostForm.Has(f.json) {
			values[f.json] = r.PostFormValue(f.json)
		}
	}
	if err := c.server.setSwitches(values); err != nil {
		c.showSwitches(w, r, http.StatusBadRequest, "switches-bad")
		return
	}
	c.changed()
	controlHeaders(w)
	http.Redirect(w, r, "/switches", http.StatusSeeOther)
}

// faultKinds are the ready-made faults of the form.
func faultKinds() []string {
	return []string{"busy", "quota", "token", "slow", "gateway", "html", "half", "cut", "empty"}
}

func faultOf(kind string) (f Fault, ok bool) {
	switch kind {
	case "busy":
		f.Errcode = -1
	case "quota":
		f.Errcode = 45011
	case "token":
		f.Errcode = 40001
	case "slow":
		f.Latency = 15 * time.Second
	case "gateway":
		f.Status = http.StatusBadGateway
	case "html":
		f.Body = "<!doctype html><title>Sign in to this network</title><p>Sign in to this network</p>"
	case "half":
		f.Truncate = 40
	case "cut":
		f.Cut = true
	case "empty":
		f.Body, f.ContentType = "{}", "text/plain"
	default:
		return f, false
	}
	return f, true
}

func faultEndpoints() []string {
	return []string{"/sns/oauth2/access_token", "/sns/oauth2/refresh_token", "/sns/userinfo", "/sns/auth", "/connect/oauth2/authorize", "/connect/qrconnect"}
}

func (c *control) faults(w http.ResponseWriter, r *http.Request) {
	c.showFaults(w, r, http.StatusOK, "")
}

func (c *control) showFaults(w http.ResponseWriter, r *http.Request, status int, note string) {
	c.show(w, r, status, "faults", controlSpeech(r, c.speeches).text("nav-faults"), map[string]any{
		"Kinds": faultKinds(), "Endpoints": faultEndpoints(), "Apps": c.server.Apps(), "Waiting": faultsJSON(c.server.Faults()), "Note": note,
	})
}

func (c *control) addFault(w http.ResponseWriter, r *http.Request) {
	if r.PostFormValue("do") == "clear" {
		c.server.ClearFaults()
	} else {
		f, ok := faultOf(r.PostFormValue("what"))
		f.Endpoint, f.AppID, f.AfterWork = r.PostFormValue("endpoint"), r.PostFormValue("appid"), r.PostFormValue("after") != ""
		var err1, err2, err3 error
		f.Times, err1 = strconv.Atoi(r.PostFormValue("times"))
		f.Skip, err2 = strconv.Atoi(r.PostFormValue("skip"))
		if custom := r.PostFormValue("errcode"); custom != "" {
			f = Fault{Endpoint: f.Endpoint, AppID: f.AppID, AfterWork: f.AfterWork, Times: f.Times, Skip: f.Skip}
			f.Errcode, err3 = strconv.Atoi(custom)
		}
		if !ok || err1 != nil || err2 != nil || err3 != nil || f.Skip < 0 {
			c.showFaults(w, r, http.StatusBadRequest, "faults-bad")
			return
		}
		c.server.Fail(f)
	}
	c.changed()
	controlHeaders(w)
	http.Redirect(w, r, "/faults", http.StatusSeeOther)
}

func (c *control) clock(w http.ResponseWriter, r *http.Request) {
	if d, err := time.ParseDuration(r.PostFormValue("advance")); err == nil {
		c.server.Advance(d)
		c.changed()
	}
	controlHeaders(w)
	to := r.PostFormValue("to")
	if !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.ContainsAny(to, "\\\r\n") {
		to = "/"
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

func (c *control) log(w http.ResponseWriter, r *http.Request) {
	c.show(w, r, http.StatusOK, "log", controlSpeech(r, c.speeches).text("nav-log"), c.recent(200, ""))
}
