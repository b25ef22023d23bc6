package push

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/weigate/weigate/wechat"
)

// Mode is the mode of message push (消息加解密方式) that is chosen in WeChat's console. A push in
// another mode is refused.
type Mode int

const (
	// Secure is 安全模式: pushes are encrypted.
	Secure Mode = iota
	// Compatible is 兼容模式: pushes have the message encrypted and also in plain text. The plain text
	// is ignored. Use it only to change from plaintext to secure mode; pushes of the secure mode are
	// accepted too.
	Compatible
)

// defaultTimeout leaves WeChat's limit of five seconds some time for the network.
const defaultTimeout = 4500 * time.Millisecond

// Config has the settings of a [Handler]. Token and Handle are required, and AppID and AESKey
// unless PlaintextWithoutProtection is set.
type Config struct {
	// AppID is the appid of the account. WeChat encrypts it with each message.
	AppID string

	// OriginalID is the account's original id (原始ID), "gh_" and 12 hexadecimal digits. Messages to
	// another account are not handled. "" means that it is not compared.
	OriginalID string

	// Token is the Token of the console: 3 to 32 letters and digits.
	Token wechat.Secret

	// AESKey is the EncodingAESKey of the console: 43 letters and digits.
	AESKey wechat.Secret

	// PreviousToken and PreviousAESKey are accepted too. Set them before you change the values in the
	// console, so that no push is lost, and remove them afterwards. "" means none.
	PreviousToken, PreviousAESKey wechat.Secret

	// Mode is the mode that is chosen in the console. The default is Secure.
	Mode Mode

	// PlaintextWithoutProtection accepts pushes in plaintext mode (明文模式), and no others. An attacker
	// who has seen the address of one push, in a log for example, can then send messages in the name
	// of any person. Use it for a test account (测试号), which has no other mode. AESKey must be empty.
	PlaintextWithoutProtection bool

	// Handle is called once for each message. It runs in a goroutine of its own; ctx ends after
	// Timeout, but not when WeChat disconnects. Its error is logged, and the person sees nothing.
	Handle func(ctx context.Context, m Message) (Reply, error)

	// Repeats recognizes messages that WeChat pushes again. Nil means a memory of this Handler, which
	// keeps 20,000 answers for 20 minutes.
	Repeats Repeats

	// Timeout is how long Handle may take. 0 means 4.5 seconds.
	Timeout time.Duration

	// Observe, when not nil, is called after each request, for metrics.
	Observe func(ctx context.Context, e Event)

	// Logger receives a line for requests that are refused, at most one a minute for each reason. The
	// lines contain no secret, no text of a message and no openid. Nil means no log.
	Logger *slog.Logger

	// Now returns the time. Nil means time.Now.
	Now func() time.Time
}

// Event describes one request, for [Config.Observe]. It contains no secret and no openid.
type Event struct {
	// Outcome is "checked" (the console checks the address), "handled", "repeated", "timeout",
	// "failed" (Handle returned an error), "ignored" (a message that cannot be trusted or read) or
	// "refused" (the request is not from WeChat, or the configuration differs from the console).
	Outcome string
	// Type is the type of the message, or the name of the event; "" when it is not known, and "other"
	// for one that this package does not know.
	Type string
	// Duration is the time until the answer.
	Duration time.Duration
}

// Handler is an http.Handler for pushes. Make it with [New]; it is safe for concurrent use.
type Handler struct {
	cfg    Config
	tokens []string // the present one first
	keys   [][]byte // AES keys, the present one first; none in plaintext mode
	log    *reasonLog
}

// New checks the configuration and returns a Handler. The error has all problems, joined. It never
// contains a secret.
func New(cfg Config) (*Handler, error) {
	h := &Handler{}
	var problems []error
	for i, token := range []wechat.Secret{cfg.Token, cfg.PreviousToken} {
		if i == 1 && token == "" {
			continue
		}
		if !isToken(string(token)) {
			problems = append(problems, fmt.Errorf("push: %s must have 3 to 32 letters and digits: "+
				"it is the Token at mp.weixin.qq.com", []string{"Token", "PreviousToken"}[i]))
		}
		h.tokens = append(h.tokens, string(token))
	}
	switch {
	case cfg.PlaintextWithoutProtection && (cfg.AESKey != "" || cfg.PreviousAESKey != ""):
		problems = append(problems, errors.New("push: PlaintextWithoutProtection has no use for an AESKey: "+
			"remove one of the two"))
	case !cfg.PlaintextWithoutProtection:
		var err error
		if h.keys, err = decodeKeys(cfg.AESKey, cfg.PreviousAESKey); err != nil {
			problems = append(problems, err)
		}
		if cfg.AppID == "" {
			problems = append(problems, errors.New("push: AppID must not be empty"))
		}
	}
	if cfg.Mode != Secure && cfg.Mode != Compatible {
		problems = append(problems, errors.New("push: Mode must be Secure or Compatible"))
	}
	if cfg.Handle == nil {
		problems = append(problems, errors.New("push: Handle must not be nil"))
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = defaultTimeout
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Repeats == nil {
		cfg.Repeats = newMemory(cfg.Now)
	}
	h.cfg, h.log = cfg, newReasonLog(cfg.Logger, cfg.Now)
	return h, nil
}

func isToken(s string) bool {
	return len(s) >= 3 && len(s) <= 32 && alphanumeric(s)
}

func alphanumeric(s string) bool {
	for i := range len(s) {
		b := s[i]
		if (b < '0' || b > '9') && (b < 'A' || b > 'Z') && (b < 'a' || b > 'z') {
			return false
		}
	}
	return true
}

// decodeKeys decodes the present and the previous EncodingAESKey.
func decodeKeys(present, previous wechat.Secret) (out [][]byte, err error) {
	for i, key := range []wechat.Secret{present, previous} {
		if i == 1 && key == "" {
			continue
		}
		// The last of the 43 characters has two bits that no byte needs. They are random in the keys of
		// the console, so the decoder must not be strict.
		decoded, err := base64.StdEncoding.DecodeString(string(key) + "=")
		if err != nil || len(decoded) != 32 || !alphanumeric(string(key)) {
			return nil, fmt.Errorf("push: %s must have 43 letters and digits: it is the EncodingAESKey at "+
				"mp.weixin.qq.com", []string{"AESKey", "PreviousAESKey"}[i])
		}
		out = append(out, decoded)
	}
	return out, nil
}
