package chat

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/limit"
	"github.com/weigate/weigate/internal/useragent"
	"github.com/weigate/weigate/wechat/push"
)

// This file answers the messages that WeChat pushes. WeChat waits five seconds, so nothing here
// calls WeChat. A message that WeChat pushes again gets the same answer, also from another replica
// (a gateway with the same store): the store keeps the first confirmation code of a person.

// Receive answers one message to the account of a connector. It is the function Handle of the
// account's push.Config. An error means that the store failed.
func (h *Handler) Receive(ctx context.Context, connector string, m push.Message) (push.Reply, error) {
	account := h.accounts[connector]
	if account == nil {
		return push.Reply{}, fmt.Errorf("chat: unknown connector %q", connector)
	}
	switch m.Event {
	case push.EventUnsubscribe:
		return h.unfollowed(ctx, account, m)
	case push.EventAuthorizationRevoked, push.EventAuthorizationCancelled, push.EventProfileModified:
		return push.Reply{}, h.authorizationChanged(ctx, account, m)
	}
	if scene := m.Scene(); strings.HasPrefix(scene, scenePrefix) && m.Type == push.TypeEvent {
		return h.answer(ctx, account, m, gateway.MethodFollow, scene)
	}
	if m.Type != push.TypeText {
		return h.other(ctx, account, m, "")
	}
	switch number, kind := readMessage(m.Content); kind {
	case typedNumber:
		return h.answer(ctx, account, m, gateway.MethodMessage, number)
	case typedWrong:
		return h.wrong(account, m, "mistyped"), nil
	case typedDigits: // a keyword or another message server may expect it, such as a code of six digits
		return h.other(ctx, account, m, text(account, "mistyped"))
	case typedDecline:
		return h.decline(ctx, account, m)
	}
	return h.other(ctx, account, m, "")
}

// answer binds a chat sign-in to the person and returns the confirmation code. identifier is the
// number or the scene of the sign-in. If another person has answered, or the sign-in has ended, the
// store returns ErrConflict and the row.
func (h *Handler) answer(ctx context.Context, account *Account, m push.Message, method, identifier string) (
	push.Reply, error) {
	if h.cfg.Limits.Exhausted(h.cfg.Now(), wrongNumbers(account, m)) {
		return push.Reply{}, nil // the person has guessed numbers: now also a right number gets no answer
	}
	if !h.cfg.Limits.Allow(h.cfg.Now(), limit.Bucket{Rate: limit.ChatNumbers, Key: personKey(account, m)}) {
		return push.Reply{Text: text(account, "often")}, nil
	}
	row, err := h.cfg.SignIns.AnswerChatSignIn(ctx, gateway.ChatAnswer{
		Key: rowKey(account.Connector, method, identifier), OpenID: m.OpenID, Code: newCode(), SentAt: m.CreatedAt,
	}, h.cfg.Now())
	switch {
	case err == nil:
		return push.Reply{Text: h.question(account, row)}, nil
	case errors.Is(err, gateway.ErrNotFound), errors.Is(err, gateway.ErrExpired):
		return h.wrong(account, m, "unknown"), nil
	case errors.Is(err, gateway.ErrConflict) && row.OpenID == m.OpenID && row.State == gateway.ChatCompleted:
		return push.Reply{Text: text(account, "completed")}, nil
	case errors.Is(err, gateway.ErrConflict) && row.OpenID == m.OpenID:
		return push.Reply{Text: text(account, "ended")}, nil
	case errors.Is(err, gateway.ErrConflict) && row.State == gateway.ChatCancelled:
		return h.wrong(account, m, "ended"), nil // the page has a new number, or was closed
	case errors.Is(err, gateway.ErrConflict):
		return h.wrong(account, m, "used"), nil
	}
	return push.Reply{}, fmt.Errorf("chat: answer: %w", err)
}

// wrongNumbers returns the rate limit for the wrong numbers of a person.
func wrongNumbers(account *Account, m push.Message) limit.Bucket {
	return limit.Bucket{Rate: limit.WrongChatNumbers, Key: personKey(account, m)}
}

// personKey identifies a person in a rate limit. An openid belongs to one account.
func personKey(account *Account, m push.Message) string { return account.Connector + "\x00" + m.OpenID }

// wrong counts a wrong number, and returns a reply that explains it. After several wrong numbers
// the account is silent: a person who guesses numbers learns nothing.
func (h *Handler) wrong(account *Account, m push.Message, reason string) push.Reply {
	if !h.cfg.Limits.Allow(h.cfg.Now(), wrongNumbers(account, m)) {
		return push.Reply{}
	}
	return push.Reply{Text: text(account, reason)}
}

// decline refuses the sign-ins for which the person has received a confirmation code. If there are
// none, the message belongs to no sign-in.
func (h *Handler) decline(ctx context.Context, account *Account, m push.Message) (push.Reply, error) {
	n, err := h.cfg.SignIns.RefuseChatSignIns(ctx, account.Connector, m.OpenID, h.cfg.Now())
	if err != nil {
		return push.Reply{}, fmt.Errorf("chat: decline: %w", err)
	}
	if n == 0 {
		return h.other(ctx, account, m, "")
	}
	h.recordPerson(ctx, EventRefuse, "refused", account, "")
	return push.Reply{Text: text(account, "declined")}, nil
}

// other returns the reply to a message that belongs to no sign-in. hint is the reply to a text that
// nobody else answers; "" = none.
func (h *Handler) other(ctx context.Context, account *Account, m push.Message, hint string) (push.Reply, error) {
	reply, err := h.cfg.Other(ctx, account.Connector, m, hint)
	if err != nil || reply.Text != "" || len(reply.Raw) > 0 {
		return reply, err
	}
	switch {
	case hint != "":
		return push.Reply{Text: hint}, nil
	case m.Event == push.EventSubscribe && account.API != nil:
		return push.Reply{Text: text(account, "welcome_follow")}, nil
	case m.Event == push.EventSubscribe:
		return push.Reply{Text: text(account, "welcome")}, nil
	case m.Type == push.TypeVoice: // WeChat has sent no text of voice messages since 2023
		return push.Reply{Text: text(account, "voice")}, nil
	}
	return reply, nil
}

// question returns the answer with the confirmation code. The warning comes first: an attacker may
// have given the number to the person.
func (h *Handler) question(account *Account, row gateway.ChatSignIn) string {
	app := h.appName(account.Language, row.App)
	if app == "" {
		app = row.App
	}
	from := cmp.Or(useragent.Localize(row.Browser, account.Language), text(account, "unknown_browser"))
	if row.MaskedIP != "" {
		from += ", " + row.MaskedIP
	}
	fill := strings.NewReplacer("{code}", row.Code, "{app}", short(app), "{browser}", short(from),
		"{time}", lang.Clock(row.CreatedAt.In(h.cfg.Zone), account.Language))
	if string(row.Data) == dataDeletion {
		return fill.Replace(text(account, "deletion"))
	}
	return fill.Replace(text(account, "question"))
}

// short returns text without markup, cut so that the rest of the answer fits.
func short(text string) string {
	const most = 60
	if all := []rune(text); len(all) > most {
		text = string(all[:most]) + "…"
	}
	return push.EscapeText(strings.Map(func(c rune) rune {
		if c == '\n' || c == '\r' {
			return ' '
		}
		return c
	}, text))
}

// unfollowed handles a person who stopped following the account: their open sign-ins are refused,
// and nickname and avatar are deleted, as WeChat's documents require.
func (h *Handler) unfollowed(ctx context.Context, account *Account, m push.Message) (push.Reply, error) {
	if _, err := h.cfg.SignIns.RefuseChatSignIns(ctx, account.Connector, m.OpenID, h.cfg.Now()); err != nil {
		return push.Reply{}, fmt.Errorf("chat: unfollow: %w", err)
	}
	if err := h.deleteProfile(ctx, EventUnfollow, account, m.OpenID, false); err != nil {
		return push.Reply{}, err
	}
	reply, err := h.cfg.Other(ctx, account.Connector, m, "") // the other message server may want to know
	reply.Text = ""                                          // nobody who unfollowed reads it
	return reply, err
}

// authorizationChanged handles a person who withdrew their consent at WeChat, changed their
// profile, or closed their WeChat account.
func (h *Handler) authorizationChanged(ctx context.Context, account *Account, m push.Message) error {
	switch m.Event {
	case push.EventAuthorizationRevoked:
		return h.deleteProfile(ctx, EventRevoked, account, m.OpenID, false)
	case push.EventAuthorizationCancelled:
		return h.deleteProfile(ctx, EventCancelled, account, m.OpenID, true)
	}
	return h.deleteProfile(ctx, EventProfileOld, account, m.OpenID, false)
}

// deleteProfile deletes nickname and avatar of the user with an openid at the account, and ends the
// user's sessions if end is set. An unknown openid is not an error.
func (h *Handler) deleteProfile(ctx context.Context, kind string, account *Account, openID string, end bool) error {
	if openID == "" {
		return nil
	}
	users, err := h.cfg.Users.Users(ctx, gateway.UserQuery{ID: openID, Limit: 10})
	if err != nil {
		return fmt.Errorf("chat: find the user: %w", err)
	}
	for _, user := range users {
		identities, err := h.cfg.Users.Identities(ctx, user.ID)
		if err != nil {
			return fmt.Errorf("chat: find the user: %w", err)
		}
		if !hasIdentity(identities, account.AppID, openID) {
			continue
		}
		hasProfile := user.NameFromWeChat() && (user.Nickname != "" || user.AvatarURL != "")
		if kind == EventUnfollow && !hasProfile {
			continue // nothing to delete: a person can follow and unfollow any number of times
		}
		_, err = h.cfg.Users.UpdateUser(ctx, user.ID, h.cfg.Now(), func(u *gateway.User) error {
			if u.NameFromWeChat() || end { // a name that the user gave here stays
				u.Nickname, u.AvatarURL, u.ProfileAt = "", "", time.Time{}
			}
			return nil
		})
		if err == nil && end {
			_, err = h.cfg.Sessions.EndEverywhere(ctx, user.ID, h.cfg.Now())
		}
		if err != nil && !errors.Is(err, gateway.ErrNotFound) {
			return fmt.Errorf("chat: delete the profile: %w", err)
		}
		h.recordPerson(ctx, kind, "ok", account, user.ID)
	}
	return nil
}

func hasIdentity(all []gateway.Identity, appID, openID string) bool {
	for _, i := range all {
		if i.AppID == appID && i.OpenID == openID {
			return true
		}
	}
	return false
}

// recordPerson stores an event about a person in the chat.
func (h *Handler) recordPerson(ctx context.Context, kind, outcome string, account *Account, userID string) {
	h.events.Record(ctx, gateway.Event{Kind: kind, Outcome: outcome, UserID: userID, Connector: account.Connector})
}

// text returns an answer of the account in its language.
func text(account *Account, name string) string {
	if account.Language == lang.English {
		return english[name]
	}
	return chinese[name]
}

var chinese = map[string]string{
	"question": "如果不是你自己打开的登录页面，请不要把确认码告诉任何人，忽略本消息即可。\n\n确认码：{code}\n\n" +
		"应用：{app}\n浏览器：{browser}\n打开时间：{time}\n\n请在你自己打开的页面里输入确认码，两分钟内有效。取消登录请回复 0。",
	"deletion": "有人要注销你在“{app}”的账号，注销后无法恢复。如果不是你本人操作，请不要把确认码告诉任何人，并回复 0。\n\n" +
		"确认码：{code}\n\n浏览器：{browser}\n打开时间：{time}\n\n确定要注销的话，请在你自己打开的页面里输入确认码，两分钟内有效。",
	"mistyped":        "这个数字不对，请对照登录页面再发送一次。",
	"unknown":         "没有找到这个数字：可能已经过期。请在登录页面更换数字后再发送。",
	"used":            "这个数字已经被别人使用。请在登录页面更换数字后再发送。",
	"often":           "登录次数过多，请过几分钟再试。",
	"completed":       "已经用这个数字登录了。",
	"ended":           "这次登录已经结束。请在登录页面更换数字后再发送。",
	"declined":        "已取消，没有登录。",
	"welcome":         "欢迎关注。如果正在登录，请把登录页面上的数字发给我。",
	"unknown_browser": "未知浏览器",
	// The person has scanned a code and then followed the account in another way: WeChat sends no
	// scene.
	"welcome_follow": "欢迎关注。如果正在登录，请再扫一次登录页面上的二维码，或把页面上的数字发给我。",
	"voice":          "无法识别语音。如果正在登录，请用文字发送登录页面上的数字。",
}

var english = map[string]string{
	"question": "If you did not open a sign-in page yourself, tell this code to nobody and ignore this message.\n\n" +
		"Code: {code}\n\nApp: {app}\nBrowser: {browser}\nOpened at: {time}\n\n" +
		"Type the code on the page that you opened yourself, within two minutes. To cancel, answer 0.",
	"deletion": "Somebody wants to delete your account at {app}. This cannot be undone. If it is not you, " +
		"tell this code to nobody, and answer 0.\n\nCode: {code}\n\nBrowser: {browser}\nOpened at: {time}\n\n" +
		"To delete your account, type the code on the page that you opened yourself, within two minutes.",
	"mistyped":        "This number is wrong. Compare it with the sign-in page and send it again.",
	"unknown":         "This number is not in use; it may have expired. Get a new number on the sign-in page and send it.",
	"used":            "Somebody else has used this number. Get a new number on the sign-in page and send it.",
	"often":           "Too many sign-ins. Try again in a few minutes.",
	"completed":       "You have signed in with this number.",
	"ended":           "This sign-in has ended. Get a new number on the sign-in page and send it.",
	"declined":        "Cancelled. You were not signed in.",
	"welcome":         "Welcome. If you are signing in, send me the number on the sign-in page.",
	"unknown_browser": "unknown",
	"welcome_follow": "Welcome. If you are signing in, scan the code on the sign-in page once more, or send me the " +
		"number on it.",
	"voice": "I cannot read voice messages. If you are signing in, send the number on the sign-in page as text.",
}
