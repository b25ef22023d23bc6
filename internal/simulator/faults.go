package simulator

import (
	"net/http"
	"strconv"
	"time"

	"github.com/weigate/weigate/wechat/wechattest"
)

// faultKinds returns the names of the ready-made faults, in the order of the form. Their texts are
// "faults-NAME".
func faultKinds() []string {
	return []string{"busy", "quota", "token", "slow", "gateway", "html", "half", "cut", "empty"}
}

// readyFault returns a ready-made fault; false for an unknown name.
func readyFault(kind string) (f wechattest.Fault, ok bool) {
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
	return []string{"/sns/oauth2/access_token", "/sns/oauth2/refresh_token", "/sns/userinfo", "/sns/auth",
		"/connect/oauth2/authorize", "/connect/qrconnect"}
}

func (c *control) faultsPage(w http.ResponseWriter, r *http.Request) {
	c.renderFaults(w, r, http.StatusOK, "")
}

// renderFaults serves the page of faults with a message, the key of a text; "" for none.
func (c *control) renderFaults(w http.ResponseWriter, r *http.Request, status int, message string) {
	c.render(w, r, status, "faults", c.texts(r).MustText("nav-faults"), map[string]any{
		"Kinds": faultKinds(), "Endpoints": faultEndpoints(), "Apps": c.server.Apps(),
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
	f, ok := readyFault(r.PostFormValue("what"))
	if !ok {
		return f, false
	}
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
