package wechattest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// PushAttack is a forged push, see [Server.AttackPush].
type PushAttack int

const (
	// AttackInjectedSender is a text of the person that contains "]]>" and a second FromUserName: the
	// openid of the victim. The signature is right. The last duplicate wins in many parsers.
	AttackInjectedSender PushAttack = iota
	// AttackReplay repeats the last request of the person, byte for byte.
	AttackReplay
	// AttackDowngrade is a plaintext push with a right signature but without msg_signature, to an
	// account in an encrypted mode. It claims to come from the victim.
	AttackDowngrade
	// AttackWrongAppID is encrypted with the right key for another appid.
	AttackWrongAppID
	// AttackWrongSignature is encrypted and signed with another token.
	AttackWrongSignature
)

// AttackPush sends a forged push with a text. person is the attacker, who need not follow the
// account. victim is the person whose openid is claimed. Nothing is written into a chat.
func (s *Server) AttackPush(ctx context.Context, attack PushAttack, person, victim, appID, text string) (PushPost,
	error) {
	s.mu.Lock()
	o, err := s.outgoing(person, appID)
	posts := s.state.push.last[o.user].Posts
	if err == nil && attack == AttackReplay && len(posts) == 0 {
		err = fmt.Errorf("wechattest: %s has sent no push to %s that could be repeated", person, appID)
	}
	if err != nil {
		defer s.mu.Unlock()
		return PushPost{}, err
	}
	claimed, id := s.ids.openID(appID, victim, notVirtual), strconv.FormatUint(s.messageID(), 10)
	s.mu.Unlock()

	o.quirks.PushEscape = false
	receiver := o.app
	switch attack {
	case AttackInjectedSender:
		text = "1]]></Content><FromUserName><![CDATA[" + claimed + "]]></FromUserName><Content><![CDATA[" + text
	case AttackDowngrade:
		o.openID, o.app.Push.Mode = claimed, PushPlaintext
	case AttackWrongAppID:
		o.openID, o.app.AppID = claimed, "wx0123456789abcdef"
	case AttackWrongSignature:
		o.openID, o.app.Push.Token = claimed, "forged"
	}
	o.message = []element{{name: "ToUserName", value: o.gh}, {name: "FromUserName", value: o.openID},
		{name: "CreateTime", value: strconv.FormatInt(o.created.Unix(), 10), bare: true},
		{name: "MsgType", value: "text"}, {name: "Content", value: text}, {name: "MsgId", value: id, bare: true}}
	request := s.seal(o, 0)
	if attack == AttackReplay {
		request = pushRequest{url: posts[0].URL, body: posts[0].Body}
	}
	o.app = receiver // the answer is checked with the real settings of the account
	post, _ := s.post(ctx, o, request)
	return post, nil
}

// CheckPush makes the GET request by which WeChat checks the address of a push. It returns an error
// if the answer is not exactly echostr with status 200.
func (s *Server) CheckPush(ctx context.Context, appID string) error {
	s.mu.Lock()
	a := s.app(appID)
	if a == nil {
		defer s.mu.Unlock()
		return s.unknownApp(appID)
	}
	p, timestamp := a.Push, strconv.FormatInt(s.now().Unix(), 10)
	nonce, echo := s.ids.random(9, "123456789"), s.ids.random(19, "123456789")
	s.mu.Unlock()
	if p.URL == "" {
		return fmt.Errorf("wechattest: app %s: %w", appID, ErrNoPush)
	}
	query := "signature=" + pushSignature(p.Token, timestamp, nonce) + "&echostr=" + echo +
		"&timestamp=" + timestamp + "&nonce=" + nonce
	ctx, cancel := context.WithTimeout(ctx, pushAnswerTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, withQuery(p.URL, query), nil)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", "Mozilla/4.0")
	res, err := s.client.Do(req)
	if err != nil {
		return fmt.Errorf("wechattest: token check timeout: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, 4<<10))
	if err != nil || res.StatusCode != http.StatusOK || string(body) != echo {
		return fmt.Errorf("wechattest: token check fail: status %d, the answer is not exactly echostr", res.StatusCode)
	}
	return nil
}
