package wechattest

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// maxReply is the maximum of a reply's Content, in bytes. More shows the failure line (field
// reports: ObserverWard#77, silenceper/wechat#673).
const maxReply = 2048

// readReply checks the answer to a push, and returns the text that the person sees.
func (o outgoing) readReply(body string) (string, error) {
	if body == "" || body == "success" {
		return "", nil
	}
	els, err := replyElements(body)
	if err != nil {
		return "", err
	}
	encrypted, isEncrypted := els["Encrypt"]
	p := o.app.Push
	switch {
	case isEncrypted && p.Mode == PushPlaintext:
		return "", errors.New("an encrypted reply in plaintext mode")
	case !isEncrypted && p.Mode == PushSecure:
		return "", errors.New("the reply is not encrypted, but the mode is secure")
	case isEncrypted:
		if els["MsgSignature"] != pushSignature(p.Token, els["TimeStamp"], els["Nonce"], encrypted) {
			return "", errors.New("MsgSignature is wrong")
		}
		message, err := decryptPush(p.key(), encrypted, o.app.AppID)
		if err != nil {
			return "", err
		}
		if els, err = replyElements(message); err != nil {
			return "", err
		}
	}
	switch {
	case els["ToUserName"] != o.openID:
		return "", errors.New("ToUserName of the reply is not the openid of the person")
	case els["FromUserName"] != o.gh:
		return "", errors.New("FromUserName of the reply is not the account's original id " + o.gh)
	case els["CreateTime"] == "" || strings.Trim(els["CreateTime"], "0123456789") != "":
		return "", errors.New("CreateTime of the reply is not a number")
	case els["MsgType"] == "transfer_customer_service": // customer service answers later; the chat shows nothing
		return "", nil
	case els["MsgType"] == "":
		return "", errors.New("the reply has no MsgType")
	case els["MsgType"] != "text":
		return "[" + els["MsgType"] + "]", nil
	case els["Content"] == "":
		return "", errors.New("element Content of the reply is empty")
	case len(els["Content"]) > maxReply:
		return "", fmt.Errorf("element Content of the reply has %d bytes; the limit is %d", len(els["Content"]), maxReply)
	case !utf8.ValidString(els["Content"]):
		return "", errors.New("element Content of the reply is not UTF-8")
	}
	return els["Content"], nil
}

// replyElements returns the texts of the elements directly below <xml>. Characters around <xml>
// make the reply invalid.
func replyElements(body string) (map[string]string, error) {
	out, depth, name := map[string]string{}, 0, ""
	if !strings.HasPrefix(body, "<xml>") || !strings.HasSuffix(strings.TrimRight(body, "\r\n"), "</xml>") {
		return nil, errors.New(`the answer is neither "success" nor empty nor <xml>…</xml>`)
	}
	for dec := xml.NewDecoder(strings.NewReader(body)); ; {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("the reply is not XML: %w", err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			depth++
			if depth == 2 {
				name = t.Name.Local
				if _, twice := out[name]; twice {
					return nil, fmt.Errorf("the reply has %s twice", name)
				}
				out[name] = ""
			}
		case xml.EndElement:
			depth--
		case xml.CharData:
			if depth == 2 {
				out[name] += string(t)
			}
		}
	}
}
