package push

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// maxBody limits a push. A text has at most 600 characters, and compatible mode sends it twice.
const maxBody = 64 << 10

// ServeHTTP answers the check of the console (GET) and pushes (POST).
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	e := Event{}
	switch r.Method {
	case http.MethodGet:
		e.Outcome = h.check(w, r)
	case http.MethodPost:
		e.Outcome, e.Type = h.receive(w, r)
	default:
		w.Header().Set("Allow", "GET, POST")
		http.Error(w, "WeChat sends GET and POST", http.StatusMethodNotAllowed)
		e.Outcome = "refused"
	}
	if h.cfg.Observe != nil {
		e.Duration = time.Since(began)
		h.cfg.Observe(r.Context(), e)
	}
}

// refuse answers a request that is not from WeChat, or does not fit the configuration. The reason
// is in the log only: the sender may be an attacker.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, reason string) (outcome string) {
	h.log.warn(r.Context(), "push refused", reason)
	http.Error(w, "forbidden", http.StatusForbidden)
	return "refused"
}

// answer writes an answer that WeChat accepts.
func answer(w http.ResponseWriter, contentType, body string) {
	w.Header().Set("Content-Type", contentType)
	_, _ = io.WriteString(w, body) // fails when WeChat has disconnected
}

// ignore answers "success" to a message that cannot be handled. An error would make WeChat push it
// again, and a person who writes such messages could make WeChat stop all pushes for a minute.
func (h *Handler) ignore(w http.ResponseWriter, r *http.Request, reason string) (outcome string) {
	h.log.warn(r.Context(), "push ignored", reason)
	answer(w, "text/plain", success)
	return "ignored"
}

// parameters are the query parameters that are read. WeChat sends each at most once.
type parameters struct{ signature, timestamp, nonce, echo, openID, encryption, messageSignature string }

// readParameters returns the parameters, or a reason to refuse them.
func (h *Handler) readParameters(r *http.Request) (p parameters, reason string) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return p, "the query cannot be parsed"
	}
	for name, field := range map[string]*string{
		"signature": &p.signature, "timestamp": &p.timestamp, "nonce": &p.nonce, "echostr": &p.echo,
		"openid": &p.openID, "encrypt_type": &p.encryption, "msg_signature": &p.messageSignature,
	} {
		if len(query[name]) > 1 {
			return p, "a parameter is in the query twice"
		}
		*field = query.Get(name)
	}
	seconds, err := strconv.ParseInt(p.timestamp, 10, 64)
	if err != nil || p.nonce == "" || len(p.nonce) > 128 {
		return p, "the query has no timestamp or no nonce: the request is not from WeChat"
	}
	if age := h.cfg.Now().Sub(time.Unix(seconds, 0)); age > maxAge || age < -maxAge {
		return p, "the timestamp is more than ten minutes away: check the clock of this server; it may also be an old " +
			"request that somebody sends again"
	}
	return p, ""
}

// check answers the request that the console sends when the address is saved. It is never
// encrypted.
func (h *Handler) check(w http.ResponseWriter, r *http.Request) (outcome string) {
	p, reason := h.readParameters(r)
	switch {
	case reason != "":
		return h.refuse(w, r, reason)
	case !isSigned(p.signature, h.tokens, p.timestamp, p.nonce):
		return h.refuse(w, r, "the signature is wrong: the Token in the console and in the configuration differ")
	case p.echo == "" || len(p.echo) > 64 || !isEcho(p.echo):
		return h.refuse(w, r, "echostr is missing or has unexpected characters")
	}
	answer(w, "text/plain", p.echo)
	return "checked"
}

// isEcho reports whether a value has only letters, digits, "-" and "_". WeChat's values are numbers
// of 19 digits.
func isEcho(s string) bool { return alphanumeric(strings.NewReplacer("_", "", "-", "").Replace(s)) }

// receive answers a push.
func (h *Handler) receive(w http.ResponseWriter, r *http.Request) (outcome, kind string) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		h.log.warn(r.Context(), "push refused", "the body cannot be read, or has more than 64 KiB")
		http.Error(w, "bad request", http.StatusBadRequest)
		return "refused", ""
	}
	p, reason := h.readParameters(r)
	if reason != "" {
		return h.refuse(w, r, reason), ""
	}
	if bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) {
		return h.ignore(w, r, "the body is JSON: choose XML (数据格式) in the console"), ""
	}
	document, refused, ignored := h.open(p, body)
	switch {
	case refused != "":
		return h.refuse(w, r, refused), ""
	case ignored != "":
		return h.ignore(w, r, ignored), ""
	}
	m, err := readMessage(document)
	if err != nil {
		return h.ignore(w, r, err.Error()), ""
	}
	switch {
	case h.cfg.OriginalID != "" && m.To != h.cfg.OriginalID:
		return h.ignore(w, r, "the message is to another account: compare OriginalID with 原始ID in the console"), m.kind()
	case p.openID != "" && p.openID != m.OpenID && !m.isAboutAuthorization():
		return h.ignore(w, r, "the sender of the message is not the openid of the address: somebody may have forged it"),
			m.kind()
	}
	m.Request = &Original{Query: r.URL.Query(), Body: body, ContentType: r.Header.Get("Content-Type")}
	return h.handle(w, r, m), m.kind()
}

// open returns the message of a body, as the configured mode requires. refused is the reason why
// the request is not from WeChat, ignored the reason why a message from WeChat cannot be read.
func (h *Handler) open(p parameters, body []byte) (document []byte, refused, ignored string) {
	encrypted := p.encryption == "aes"
	if h.cfg.PlaintextWithoutProtection {
		switch {
		case encrypted:
			return nil, "the push is encrypted: choose 明文模式 in the console, or set the AESKey", ""
		case !isSigned(p.signature, h.tokens, p.timestamp, p.nonce):
			return nil, "the signature is wrong: the Token in the console and in the configuration differ", ""
		}
		return body, "", ""
	}
	if !encrypted {
		// An attacker may also have removed encrypt_type, to have a plain body accepted.
		return nil, "the push is not encrypted: choose 安全模式 (secure mode) in the console", ""
	}
	fields, err := readFields(body)
	if err != nil || fields["Encrypt"] == "" {
		// The request may be from WeChat, so it is not refused: in compatible mode the body contains what
		// a person wrote, and this text may have damaged the XML.
		return nil, "", "the body has no single element Encrypt"
	}
	_, hasPlain := fields["FromUserName"]
	switch {
	case !isSigned(p.messageSignature, h.tokens, p.timestamp, p.nonce, fields["Encrypt"]):
		return nil, "msg_signature is wrong: the Token in the console and in the configuration differ", ""
	case hasPlain && h.cfg.Mode == Secure:
		return nil, "the push is in compatible mode: choose 安全模式 (secure mode) in the console, or Mode Compatible", ""
	}
	for _, key := range h.keys {
		if message, appID, err := decrypt(key, fields["Encrypt"]); err == nil && appID == h.cfg.AppID {
			return message, "", ""
		}
	}
	return nil, "the message cannot be decrypted: compare EncodingAESKey and AppID with the console", ""
}

// handle calls Config.Handle, unless the message is a repeat, and writes the answer.
func (h *Handler) handle(w http.ResponseWriter, r *http.Request, m Message) (outcome string) {
	// The message is handled even if WeChat disconnects: its next push then gets the answer.
	ctx := context.WithoutCancel(r.Context())
	waiting, cancel := context.WithTimeout(ctx, h.cfg.Timeout)
	defer cancel()
	reply, repeated, err := h.cfg.Repeats.Do(waiting, m.key(), func() (Reply, error) {
		ctx, cancel := context.WithTimeout(ctx, h.cfg.Timeout)
		defer cancel()
		return h.cfg.Handle(ctx, m)
	})
	switch {
	case err != nil && waiting.Err() != nil && errors.Is(err, waiting.Err()):
		h.log.warn(ctx, "push not answered in time", "Handle takes longer than Timeout")
		answer(w, "text/plain", success)
		return "timeout"
	case err != nil:
		h.cfg.Logger.ErrorContext(ctx, "push not handled", "type", m.kind(), "error", err)
		answer(w, "text/plain", success)
		return "failed"
	}
	if len(reply.Text) > MaxReplyText && len(reply.Raw) == 0 {
		h.log.warn(ctx, "reply cut", "the text has more than 1,800 bytes")
	}
	h.write(w, ctx, &m, &reply)
	if repeated {
		return "repeated"
	}
	return "handled"
}

// write writes a reply.
func (h *Handler) write(w http.ResponseWriter, ctx context.Context, m *Message, reply *Reply) {
	if len(reply.Raw) > 0 {
		answer(w, "text/xml", string(reply.Raw))
		return
	}
	now := h.cfg.Now().Unix()
	document := reply.document(m, now)
	if document == "" {
		answer(w, "text/plain", success)
		return
	}
	if len(h.keys) > 0 {
		sealed, err := h.seal(document, now)
		if err != nil {
			h.cfg.Logger.ErrorContext(ctx, "reply not encrypted", "error", err)
			answer(w, "text/plain", success)
			return
		}
		document = sealed
	}
	answer(w, "text/xml", document)
}

// reasonLog writes at most one line a minute for each reason: everybody can send requests.
type reasonLog struct {
	logger *slog.Logger
	now    func() time.Time
	mu     sync.Mutex
	last   map[string]time.Time // by reason; reasons are constants
}

func newReasonLog(logger *slog.Logger, now func() time.Time) *reasonLog {
	return &reasonLog{logger: logger, now: now, last: map[string]time.Time{}}
}

func (l *reasonLog) warn(ctx context.Context, message, reason string) {
	now := l.now()
	l.mu.Lock()
	last, found := l.last[reason]
	write := !found || now.Sub(last) >= time.Minute || now.Before(last)
	if write {
		l.last[reason] = now
	}
	l.mu.Unlock()
	if write {
		l.logger.WarnContext(ctx, message, "reason", reason)
	}
}
