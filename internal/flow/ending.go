package flow

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/weigate/weigate/wechat"
)

// Ending is what the page for a failed callback needs. The page has an address of its own: the
// callback's still contains the code, which may be valid (WeChat did not answer, the secret is
// wrong), and users copy the address of an error page, or share it from WeChat's menu, to ask for
// help. An attacker with a valid code can sign in as its user, in a flow of their own.
//
// It is sealed in the query of that address, so that nobody else can choose the text of the page, and
// neither a cookie nor the store is needed.
type Ending struct {
	Outcome   string       `json:"k"` // an outcome, EventGaveUp, EventUnavailable or EventStoreFull
	ReturnTo  string       `json:"r"`
	Scope     wechat.Scope `json:"s"`
	Data      []byte       `json:"d,omitempty"`
	Text      string       `json:"t,omitempty"`
	RequestID string       `json:"q"`
	Until     int64        `json:"u"` // Unix seconds
}

// endingName is the name for which an Ending is sealed, as a cookie is sealed for its name.
const endingName = "ending"

func (e *Engine) end(b Browser, f *Flow, outcome, text string) Result {
	var plain bytes.Buffer
	encoder := json.NewEncoder(&plain)
	encoder.SetEscapeHTML(false) // return addresses have many "&", and the length is limited
	err := encoder.Encode(Ending{
		Outcome: outcome, ReturnTo: f.ReturnTo, Scope: f.Scope, Data: f.Data, Text: text,
		RequestID: b.RequestID, Until: e.cfg.Now().Add(Lifetime).Unix(),
	})
	if err != nil {
		return Result{Kind: Failed, Err: err}
	}
	value, err := e.endings.Seal(endingName, plain.Bytes())
	if err != nil {
		return Result{Kind: Failed, Err: err}
	}
	return Result{Kind: Ended, Flow: f, Ending: value}
}

// Ending reads Result.Ending. It returns false for a value that has expired, or that was not made
// here.
func (e *Engine) Ending(value string) (Ending, bool) {
	var out Ending
	plain, err := e.endings.Open(endingName, value)
	if err != nil || json.Unmarshal(plain, &out) != nil || !e.cfg.Now().Before(time.Unix(out.Until, 0)) {
		return Ending{}, false
	}
	return out, true
}
