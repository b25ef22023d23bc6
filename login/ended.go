package login

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/weigate/weigate/wechat"
)

// An ending is what a callback that came to nothing shows. The page stands at an
// address of its own: the callback's still holds the code, which may be good
// (WeChat did not answer, the secret is wrong), and people copy the address of an
// error page, or share it from WeChat's menu, to ask for help. Whoever has a good
// code can be its person, in a flow of their own.
//
// It travels sealed in the address, so that nobody words a page of ours, and so
// that neither cookie nor store is needed.
type ending struct {
	Kind      PageKind     `json:"k"`
	Return    string       `json:"r"`
	Scope     wechat.Scope `json:"s"`
	Text      string       `json:"t,omitempty"`
	RequestID string       `json:"q"`
	Until     int64        `json:"u"` // Unix seconds
}

// endingName stands in the place of a cookie's name where an ending is sealed.
const endingName = "ending"

// end leads from the callback to the page that tells what came of it.
func (h *Handler) end(w http.ResponseWriter, r *http.Request, f *flow, kind PageKind, text string) {
	var plain bytes.Buffer
	enc := json.NewEncoder(&plain)
	enc.SetEscapeHTML(false) // a return address is full of "&"
	err := enc.Encode(ending{
		Kind: kind, Return: f.returnTo, Scope: f.scope, Text: text,
		RequestID: h.requestID(r), Until: h.cfg.Now().Add(flowLife).Unix(),
	})
	if err != nil {
		h.fail(w, r, err)
		return
	}
	value, err := h.endings.Seal(endingName, plain.Bytes())
	if err != nil {
		h.fail(w, r, err)
		return
	}
	seeOther(w, h.address(pathEnded)+"?page="+url.QueryEscape(value))
}

// serveEnded shows an ending. One that is over, or not ours, is a lost callback.
func (h *Handler) serveEnded(w http.ResponseWriter, r *http.Request) {
	var e ending
	plain, err := h.endings.Open(endingName, r.URL.Query().Get("page"))
	if err == nil {
		err = json.Unmarshal(plain, &e)
	}
	if err != nil || !h.cfg.Now().Before(time.Unix(e.Until, 0)) {
		h.show(w, r, Page{Kind: PageLost, AgainURL: h.again(h.returns.home(), wechat.ScopeBase)})
		return
	}
	if e.Kind == PageBusy {
		w.Header().Set("Retry-After", "60")
	}
	h.show(w, r, Page{Kind: e.Kind, Text: e.Text, RequestID: e.RequestID, AgainURL: h.again(e.Return, e.Scope)})
}
