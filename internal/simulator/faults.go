package simulator

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/weigate/weigate/wechat/wechattest"
)

// readyFault is a fault of the form's list. The key of its text is "faults-NAME".
type readyFault struct {
	Name  string
	fault wechattest.Fault
}

// readyFaults returns the list of the form.
func readyFaults() []readyFault {
	const loginPage = "<!doctype html><title>Sign in to this network</title><p>Sign in to this network</p>"
	return []readyFault{
		{"busy", wechattest.Fault{Errcode: -1}},
		{"quota", wechattest.Fault{Errcode: 45011}},
		{"token", wechattest.Fault{Errcode: 40001}},
		{"slow", wechattest.Fault{Latency: 15 * time.Second}},
		{"gateway", wechattest.Fault{Status: http.StatusBadGateway}},
		{"html", wechattest.Fault{Body: loginPage}},
		{"half", wechattest.Fault{Truncate: 40}},
		{"cut", wechattest.Fault{Cut: true}},
		{"empty", wechattest.Fault{Body: "{}", ContentType: "text/plain"}},
	}
}

func faultEndpoints() []string {
	return []string{"/sns/oauth2/access_token", "/sns/oauth2/refresh_token", "/sns/userinfo", "/sns/auth",
		"/connect/oauth2/authorize", "/connect/qrconnect"}
}

func (c *control) faultsPage(w http.ResponseWriter, r *http.Request) {
	c.renderFaults(w, r, http.StatusOK, "")
}

// renderFaults serves the page of faults with a message, the key of a text; "" for none.
func (c *control) renderFaults(w http.ResponseWriter, r *http.Request, status int, message string) {
	c.render(w, r, status, "faults", c.texts(r).MustText("nav-faults"), map[string]any{
		"Ready": readyFaults(), "Endpoints": faultEndpoints(), "Apps": c.server.Apps(),
		"Waiting": faultsJSON(c.server.Faults()), "Note": message,
	})
}

// addFault handles the form of the page: it adds a fault, or removes all with do=clear.
func (c *control) addFault(w http.ResponseWriter, r *http.Request) {
	if r.PostFormValue("do") == "clear" {
		c.server.ClearFaults()
	} else {
		f, ok := faultOfForm(r)
		if !ok {
			c.renderFaults(w, r, http.StatusBadRequest, "faults-invalid")
			return
		}
		c.server.Fail(f)
	}
	c.changed()
	c.redirect(w, r, "/faults")
}

// faultOfForm reads the form; false when a field is invalid. An errcode replaces the ready-made
// fault.
func faultOfForm(r *http.Request) (wechattest.Fault, bool) {
	var f wechattest.Fault
	ready := readyFaults()
	i := slices.IndexFunc(ready, func(f readyFault) bool { return f.Name == r.PostFormValue("what") })
	if i < 0 {
		return f, false
	}
	f = ready[i].fault
	if text := r.PostFormValue("errcode"); text != "" {
		code, err := strconv.Atoi(text)
		if err != nil {
			return f, false
		}
		f = wechattest.Fault{Errcode: code}
	}
	times, err := strconv.Atoi(r.PostFormValue("times"))
	if err != nil {
		return f, false
	}
	skip, err := strconv.Atoi(r.PostFormValue("skip"))
	if err != nil || skip < 0 {
		return f, false
	}
	f.Times, f.Skip = times, skip
	f.Endpoint, f.AppID = r.PostFormValue("endpoint"), r.PostFormValue("appid")
	f.AfterWork = r.PostFormValue("after") != ""
	return f, true
}
