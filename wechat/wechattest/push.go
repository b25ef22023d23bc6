package wechattest

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// PushMode is the mode of message push (消息加解密方式).
type PushMode int

const (
	// PushSecure encrypts every push (安全模式). Only an encrypted reply is accepted.
	PushSecure PushMode = iota
	// PushCompatible sends every push both plain and encrypted (兼容模式). Both kinds of reply are
	// accepted.
	PushCompatible
	// PushPlaintext encrypts nothing (明文模式). It is WeChat's default, and the only mode of a test
	// account.
	PushPlaintext
)

// Push is the configuration of message push (消息推送) of an account.
type Push struct {
	URL    string // http or https; "" switches pushes off
	Token  string // 3 to 32 letters and digits
	AESKey string // EncodingAESKey, 43 letters and digits; not needed in PushPlaintext
	Mode   PushMode
}

var pushToken, pushAESKey = regexp.MustCompile(`^[A-Za-z0-9]{3,32}$`), regexp.MustCompile(`^[A-Za-z0-9]{43}$`)

// problem returns what is wrong with the configuration; "" for a valid one and for no push.
func (p Push) problem() string {
	u, err := url.Parse(p.URL)
	switch {
	case p.URL == "":
		return ""
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return "the URL does not begin with http:// or https://"
	case !pushToken.MatchString(p.Token):
		return "the token is not 3 to 32 letters and digits"
	case p.Mode < PushSecure || p.Mode > PushPlaintext:
		return fmt.Sprintf("%d is not a mode", int(p.Mode))
	case p.Mode != PushPlaintext && !pushAESKey.MatchString(p.AESKey):
		return "the AES key is not 43 letters and digits"
	}
	return ""
}

// key returns the AES key. The last character has two spare bits that need not be zero, so the
// strict decoder would refuse three of four keys.
func (p Push) key() []byte {
	key, _ := base64.StdEncoding.DecodeString(p.AESKey + "=") // problem has checked the format
	return key
}

// Errors of the methods of a person's chat. Use errors.Is.
var (
	// ErrNotFollowing: only a follower can send messages to an account and open its menu.
	ErrNotFollowing = errors.New("the person does not follow the account")
	// ErrNoPush: the account has no [App.Push].
	ErrNoPush = errors.New("message push is off")
	// ErrNoMenu: an unverified subscription account loses its menu when push is enabled, because
	// it cannot make one by API.
	ErrNoMenu = errors.New("the account has no menu")
	// ErrNoQRCode: the link is not a QR code of an account, or the code has expired.
	ErrNoQRCode = errors.New("not a QR code of an account, or expired")
	// ErrNoWebSignIn: WeChat pushes changes of a consent only to accounts that can ask for one.
	ErrNoWebSignIn = errors.New("the account has no web sign-in")
)

// ChatMessage is one line of the chat between a person and an account, as the person sees it.
type ChatMessage struct {
	Time time.Time
	// From is "person", "account" or "system" (a grey line).
	From string
	Text string
	// Cause is why the grey line "该公众号提供的服务出现故障，请稍后再试" appeared; "" for other lines. WeChat does
	// not show it.
	Cause string
}

// pushFailure is the grey line that a person sees after a failed push (field reports of 2022 and
// later). WeChat's documents have another wording.
const pushFailure = "该公众号提供的服务出现故障，请稍后再试"

// Follow makes a person follow an account that was found by search or by its own QR code, and
// pushes subscribe with an empty EventKey. If the person follows it already, nothing is pushed.
func (s *Server) Follow(ctx context.Context, person, appID string) (Delivery, error) {
	return s.follow(ctx, person, appID, true)
}

// Unfollow makes a person unfollow an account, and pushes unsubscribe.
func (s *Server) Unfollow(ctx context.Context, person, appID string) (Delivery, error) {
	return s.follow(ctx, person, appID, false)
}

func (s *Server) follow(ctx context.Context, person, appID string, follows bool) (Delivery, error) {
	s.mu.Lock()
	p := s.person(person)
	same := p != nil && p.follows(appID) == follows
	err := s.checkPush(appID)
	if err == nil {
		err = s.setFollows(appID, person, follows)
	}
	withEventKey := !s.quirks.PushNoEventKey
	s.mu.Unlock()
	if err != nil || same {
		return Delivery{}, err
	}
	if !follows {
		return s.event(ctx, person, appID, "unsubscribe", element{name: "EventKey"})
	}
	if !withEventKey {
		return s.event(ctx, person, appID, "subscribe")
	}
	return s.event(ctx, person, appID, "subscribe", element{name: "EventKey"})
}

// checkPush returns an error unless the account has message push. The caller holds the lock.
func (s *Server) checkPush(appID string) error {
	switch a := s.app(appID); {
	case a == nil:
		return s.unknownApp(appID)
	case a.Push.URL == "":
		return fmt.Errorf("wechattest: app %s: %w", appID, ErrNoPush)
	}
	return nil
}

// PressMenu makes a follower press an entry of the account's menu, and pushes CLICK with a key. If
// the key is an http or https address, it pushes VIEW instead.
func (s *Server) PressMenu(ctx context.Context, person, appID, key string) (Delivery, error) {
	s.mu.Lock()
	a, p := s.app(appID), s.person(person)
	var err error
	switch {
	case a == nil:
		err = s.unknownApp(appID)
	case p == nil:
		err = s.unknownPerson(person)
	case a.Kind == SubscriptionAccount || a.Kind == WebsiteApp:
		err = fmt.Errorf("wechattest: app %s: %w", appID, ErrNoMenu)
	case !p.follows(appID):
		err = fmt.Errorf("wechattest: %s, app %s: %w", person, appID, ErrNotFollowing)
	}
	s.mu.Unlock()
	if err != nil {
		return Delivery{}, err
	}
	if strings.HasPrefix(key, "http://") || strings.HasPrefix(key, "https://") {
		return s.event(ctx, person, appID, "VIEW", element{name: "EventKey", value: key},
			element{name: "MenuId", value: "425168902", bare: true})
	}
	return s.event(ctx, person, appID, "CLICK", element{name: "EventKey", value: key})
}

// ScanQR makes a person scan a QR code, or open its link. For a code of qrcode/create, a person who
// does not follow the account follows it (subscribe with qrscene_), and a follower gets SCAN. The
// link of [Server.AccountQR] is the account's own code: only a new follower makes an event.
func (s *Server) ScanQR(ctx context.Context, person, link string) (Delivery, error) {
	s.mu.Lock()
	code, p := s.state.push.sceneCode(link), s.person(person)
	accountIndex := slices.IndexFunc(s.apps, func(a *App) bool { return s.accountQR(a.AppID) == link })
	if p == nil {
		defer s.mu.Unlock()
		return Delivery{}, s.unknownPerson(person)
	}
	if accountIndex >= 0 {
		appID := s.apps[accountIndex].AppID
		s.mu.Unlock()
		return s.Follow(ctx, person, appID)
	}
	if code == nil || !code.usable(s.now()) {
		s.mu.Unlock()
		return Delivery{}, fmt.Errorf("wechattest: %q: %w", link, ErrNoQRCode)
	}
	appID, follower := code.appID, p.follows(code.appID)
	scene, ticket := code.scene, code.ticket
	err := s.checkPush(appID)
	if err == nil {
		err = s.setFollows(appID, person, true)
	}
	if err == nil && !follower {
		s.state.push.follows[appUser{appID: appID, person: person}] = following{since: s.now(), scene: scene}
	}
	s.mu.Unlock()
	if err != nil {
		return Delivery{}, err
	}
	name := "SCAN"
	if !follower {
		name, scene = "subscribe", "qrscene_"+scene
	}
	return s.event(ctx, person, appID, name, element{name: "EventKey", value: scene},
		element{name: "Ticket", value: ticket})
}

// AccountQR returns the content of an account's own QR code.
func (s *Server) AccountQR(appID string) string { return s.accountQR(appID) }

func (s *Server) accountQR(appID string) string {
	return accountQRPrefix + s.ids.derive(22, base64url, "account QR code", appID)
}

// OriginalID returns the original id (原始ID) of an account: gh_ and 12 hex digits.
func (s *Server) OriginalID(appID string) string {
	return "gh_" + s.ids.derive(12, hexDigits, "original id", appID)
}

// Chat returns the chat of a person with an account, oldest message first.
func (s *Server) Chat(person, appID string) []ChatMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.state.push.chats[appUser{appID: appID, person: person}])
}

// LastDelivery returns what became of the last push of a person to an account. The zero value means
// that there was none.
func (s *Server) LastDelivery(person, appID string) Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.state.push.last[appUser{appID: appID, person: person}]
	d.Posts = slices.Clone(d.Posts)
	return d
}

// act sends a message of a follower. shown is the line in the chat. els are the elements after
// MsgType. Except for a text, they have an empty MsgId at its place, whose value act sets. For a text,
// act appends the MsgId.
func (s *Server) act(ctx context.Context, person, appID, kind, shown string, els ...element) (Delivery, error) {
	s.mu.Lock()
	p, err := s.person(person), s.checkPush(appID)
	switch {
	case err != nil:
	case p == nil:
		err = s.unknownPerson(person)
	case !p.follows(appID):
		err = fmt.Errorf("wechattest: %s, app %s: %w", person, appID, ErrNotFollowing)
	}
	if err != nil {
		defer s.mu.Unlock()
		return Delivery{}, err
	}
	s.say(appUser{appID: appID, person: person}, ChatMessage{From: "person", Text: shown})
	id := strconv.FormatUint(s.messageID(), 10)
	if kind == "text" {
		els = append(els, element{name: "MsgId"})
	}
	for i := range els {
		if els[i].name == "MsgId" {
			els[i] = element{name: "MsgId", value: id, bare: true} // without CDATA
		}
	}
	s.mu.Unlock()
	return s.push(ctx, person, appID, append([]element{{name: "MsgType", value: kind}}, els...))
}

// event pushes an event of a person.
func (s *Server) event(ctx context.Context, person, appID, name string, els ...element) (Delivery, error) {
	return s.push(ctx, person, appID, append([]element{{name: "MsgType", value: "event"},
		{name: "Event", value: name}}, els...))
}

// messageID returns a MsgId. Its high 32 bits are the Unix time divided by 300. Until about 2016
// they were the Unix time itself. (Eighteen recorded pushes fit the division by 300.)
func (s *Server) messageID() uint64 {
	high := uint64(s.now().Unix()) / 300
	if s.quirks.PushOldMsgID {
		high = uint64(s.now().Unix())
	}
	return high<<32 | s.ids.stream.Uint64()&0xffffffff
}

// say adds a line to a chat. The caller holds the lock.
func (s *Server) say(user appUser, m ChatMessage) {
	m.Time = s.now()
	lines := append(s.state.push.chats[user], m)
	s.state.push.chats[user] = lines[max(0, len(lines)-chatSize):]
}

// chatSize is the number of lines that a chat keeps.
const chatSize = 200
