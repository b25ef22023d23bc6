package push_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/weigate/weigate/wechat/push"
)

// FuzzMessage checks that what a person writes changes no other field of a message.
func FuzzMessage(f *testing.F) {
	for _, seed := range []string{
		"482 9153", "1]]></Content><FromUserName><![CDATA[" + victim + "]]></FromUserName><Content><![CDATA[2",
		"\x00\x10", "]]>",
		"a]]>b<![CDATA[c", "&lt;", "<b>", "]]></Content><MsgType>event</MsgType><Content><![CDATA[", "\xff\xfe",
		"🌊", "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, content string) {
		m, err := push.ReadMessage([]byte(text(alice, content, 7)))
		if err == nil && (m.OpenID != alice || m.To != testGH || m.Type != push.TypeText || m.MsgID != 7 ||
			m.Event != "") {
			t.Errorf("%q changed the message: %+v", content, m)
		}
	})
}

// FuzzDocument checks that no document makes the parser fail, and that a message is complete.
func FuzzDocument(f *testing.F) {
	for _, seed := range []string{
		text(alice, "1", 1), event(alice, "SCAN", "<EventKey>x</EventKey>"), "<xml/>", "<xml><a/><a/></xml>",
		"<!DOCTYPE x><xml/>",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		m, err := push.ReadMessage(document)
		if err == nil && (m.Type == "" || m.To == "" || m.CreatedAt.Unix() <= 0) {
			t.Errorf("%q: %+v", document, m)
		}
	})
}

// FuzzDecrypt checks that no ciphertext makes decryption fail.
func FuzzDecrypt(f *testing.F) {
	key := aesKey(f, testKey)
	f.Add(encryptMessage(f, testKey, "aaaabbbbccccdddd", "hello", testAppID))
	f.Add("")
	f.Add(strings.Repeat("A", 128))
	f.Fuzz(func(t *testing.T, encrypted string) {
		message, appID, err := push.Decrypt(key, encrypted)
		if err != nil && (message != nil || appID != "") {
			t.Errorf("%q: %q %q %v", encrypted, message, appID, err)
		}
	})
}

// FuzzQuery checks that no query makes the Handler fail, or accept a message.
func FuzzQuery(f *testing.F) {
	good := secure(f, alice, text(alice, "1", 1))
	f.Add(good.query.Get("signature"), good.query.Get("timestamp"), good.query.Get("nonce"),
		good.query.Get("openid"), "aes")
	f.Add("", "", "", "", "")
	f.Add("x", "99999999999999999999", strings.Repeat("n", 200), "\x00", "raw")
	f.Fuzz(func(t *testing.T, messageSignature, timestamp, nonce, openID, encryption string) {
		fix := newFixture(t, nil)
		r := secure(t, alice, text(alice, "1", 1))
		want := r.query.Get("msg_signature")
		for name, value := range map[string]string{
			"msg_signature": messageSignature, "timestamp": timestamp, "nonce": nonce, "openid": openID,
			"encrypt_type": encryption,
		} {
			r.query.Set(name, value)
		}
		if status, _ := fix.send(r); status != http.StatusForbidden && messageSignature != want {
			t.Errorf("%d, %d messages", status, len(fix.received()))
		}
	})
}
