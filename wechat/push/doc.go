// Package push receives the messages and events that WeChat pushes to the server of an official
// account (消息推送): what people write to the account, and who follows it. Every kind of account has
// message push, also an unverified personal one.
//
//	handler, err := push.New(push.Config{
//		AppID:  "wx0123456789abcdef",
//		Token:  token,  // Token at mp.weixin.qq.com
//		AESKey: aesKey, // EncodingAESKey there; choose 安全模式 (secure mode)
//		Handle: func(ctx context.Context, m push.Message) (push.Reply, error) {
//			if m.Type == push.TypeText {
//				return push.Reply{Text: "You wrote: " + m.Content}, nil
//			}
//			return push.Reply{}, nil // the person sees nothing
//		},
//	})
//	if err != nil {
//		log.Fatal(err)
//	}
//	http.Handle("/wechat/push", handler)
//
// The names you need:
//
//   - [Config] has the values of the account, and the function that receives messages.
//   - [New] returns a [Handler]: the http.Handler of the address (URL) in WeChat's console.
//   - [Message] is one push. Its OpenID is the person.
//   - [Reply] is the answer that the person sees in the chat.
//   - [Repeats] lets replicas recognize messages that WeChat pushes again. It is optional.
//
// # What it checks
//
// A push is handled only if WeChat has encrypted it for this account: the mode is the configured
// one, whatever the request says; the signature covers the encrypted message; the time is at most
// ten minutes away; the appid in the message is Config.AppID. WeChat does not escape what people
// write. So a person can add XML elements to a message, such as a second FromUserName with another
// person's openid. A message with a repeated element is therefore not handled, and the openid in
// the address must be equal to the openid in the message.
//
// In plaintext mode, which is WeChat's default, the signature does not cover the message. An
// attacker who has seen the address of one push can send any message in the name of any person. The
// mode is refused unless Config.PlaintextWithoutProtection is set.
//
// # Answers
//
// WeChat waits five seconds for an answer. Without a valid answer, it shows the person an error and
// pushes the message again. After many failures it stops all pushes for a minute. The Handler
// answers "success" when Config.Handle takes longer than 4.5 seconds or fails, and for messages
// that it does not handle. A message that WeChat pushes again gets the answer of the first push,
// and Handle is not called again. After Handle has failed, it is called for the next push.
//
// # What it does not do
//
// The package has no client for menus, templates or customer-service messages. It receives XML: the
// JSON format exists for mini-programs only, and is logged. It is not for third-party platforms or
// WeCom (企业微信). It imports the standard library and package wechat, and is safe for concurrent use.
//
// The sources of WeChat's behaviour are its documents (消息推送, 接收普通消息, 接收事件推送, 被动回复用户消息,
// 消息加解密), captures of real pushes, and field reports, as last seen in 2026.
package push
