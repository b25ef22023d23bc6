// Package autoreply answers the messages to an official account that are not part of a sign-in: by
// automatic replies (自动回复), and by passing messages on to another message server. WeChat pushes
// messages to one server only, and then turns off the automatic replies of its console. So once the
// gateway receives the messages, it must do what the console or the other server did before.
//
// [New] returns a [Responder], and [Responder.Respond] returns the reply to one message.
package autoreply

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"golang.org/x/text/width"

	"github.com/weigate/weigate/internal/limit"
	"github.com/weigate/weigate/internal/outgoing"
	"github.com/weigate/weigate/wechat/push"
)

// Keyword is a reply to messages with certain words.
type Keyword struct {
	Words []string // the message contains one of these words, in upper or lower case
	Text  string
}

// Client sends requests to other servers. *outgoing.Client implements it.
type Client interface {
	// Post is outgoing.Client.Post.
	Post(ctx context.Context, target, contentType string, body []byte, header http.Header) (outgoing.Response, error)
}

// Config is the configuration of a [Responder]. The zero value answers nothing.
type Config struct {
	Welcome  string    // to a new follower; "" = nothing
	Fallback string    // to a text without a keyword; "" = nothing
	Keywords []Keyword // the first Keyword that matches gives the reply

	// Forward is the URL of another message server; "" = none. This server receives every message
	// that Keywords does not answer, unchanged. The person receives the answer of
	// the server. If the server has no answer or fails, the person receives Welcome or Fallback.
	Forward string
	Client  Client // required with Forward

	RequestID func(context.Context) string // optional
	Logger    *slog.Logger                 // optional
}

// Responder answers messages. Make it with [New]; it is safe for concurrent use.
type Responder struct {
	cfg      Config
	keywords []Keyword // words in lower case, with ASCII forms of full-width characters
}

// New returns a Responder.
func New(cfg Config) *Responder {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.RequestID == nil {
		cfg.RequestID = func(context.Context) string { return "" }
	}
	r := &Responder{cfg: cfg}
	for _, k := range cfg.Keywords {
		folded := Keyword{Text: k.Text}
		for _, word := range k.Words {
			folded.Words = append(folded.Words, fold(word))
		}
		r.keywords = append(r.keywords, folded)
	}
	return r
}

// Respond returns the reply to a message. It never fails: a failure of the other server is logged.
// ctx limits the time of the other server. If hint is not empty, it takes the place of Fallback: it
// is the reply to a text that neither a keyword nor the other server answers.
func (r *Responder) Respond(ctx context.Context, m push.Message, hint string) push.Reply {
	if m.Type == push.TypeText {
		if text := r.keyword(m.Content); text != "" {
			return push.Reply{Text: text}
		}
	}
	// m.Request is the request as WeChat sent it. It is nil if package push did not receive m.
	if r.cfg.Forward != "" && m.Request != nil {
		if answer := r.forward(ctx, m.Request); answer != nil {
			return push.Reply{Raw: answer}
		}
	}
	switch {
	case m.Event == push.EventSubscribe:
		return push.Reply{Text: r.cfg.Welcome}
	case m.Type == push.TypeText:
		return push.Reply{Text: cmp.Or(hint, r.cfg.Fallback)}
	}
	return push.Reply{}
}

// keyword returns the reply of the first keyword in a text, or "".
func (r *Responder) keyword(text string) string {
	text = fold(text)
	for _, k := range r.keywords {
		for _, word := range k.Words {
			if word != "" && strings.Contains(text, word) {
				return k.Text
			}
		}
	}
	return ""
}

// fold returns text in lower case, with ASCII characters for the full-width ones of Chinese
// keyboards.
func fold(text string) string {
	return strings.ToLower(width.Fold.String(text))
}

// forward sends a message to the other server, and returns the server's answer. It returns nil if
// there is no answer. The request has WeChat's query, so the other server can verify the signature.
func (r *Responder) forward(ctx context.Context, m *push.Original) []byte {
	target, separator := r.cfg.Forward, "?"
	if strings.Contains(target, "?") {
		separator = "&"
	}
	response, err := r.cfg.Client.Post(ctx, target+separator+m.Query.Encode(), m.ContentType, m.Body, nil)
	problem := ""
	switch {
	case err != nil:
		problem = err.Error() // an *outgoing.Error, which has neither the address nor its query
	case response.Status != http.StatusOK:
		problem = fmt.Sprintf("HTTP status %d", response.Status) // http.StatusText is "" for some, such as 520
	case len(response.Body) >= limit.OutgoingResponse.Bytes:
		problem = "the answer is too long"
	}
	if problem != "" {
		r.cfg.Logger.WarnContext(ctx, "message not passed on: the server of push.forward failed", "problem", problem,
			"request_id", r.cfg.RequestID(ctx))
		return nil
	}
	answer := bytes.TrimSpace(response.Body)
	switch {
	case len(answer) == 0, bytes.EqualFold(answer, []byte("success")): // WeChat's protocol: no reply
		return nil
	case !bytes.HasPrefix(answer, []byte("<xml>")):
		// WeChat would show the person an error.
		r.cfg.Logger.WarnContext(ctx, "answer of the server of push.forward ignored: it is not a message",
			"request_id", r.cfg.RequestID(ctx))
		return nil
	}
	return answer
}
