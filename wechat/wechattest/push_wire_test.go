package wechattest

import (
	"encoding/base64"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestPushVectors: a captured secure text of 2022, and Tencent's Java sample (in WxJava's tests).
func TestPushVectors(t *testing.T) {
	t.Parallel()
	inner := plainXML([]element{{name: "ToUserName", value: "gh_b4f0e22ae50e"},
		{name: "FromUserName", value: "oJqxQwYRyZMXFTc8sipB5TSe6Vw4"}, {name: "CreateTime", value: "1669731471", bare: true},
		{name: "MsgType", value: "text"}, {name: "Content", value: "文本tdsa[Lol]§"},
		{name: "MsgId", value: "23904806341841418", bare: true}})
	p := Push{AESKey: "h7ZycbpEh2vNdfkYulfw9pG95HjLYwmrKBFeqIktff6"}
	encrypted := encryptPush(p.key(), "7359400fb2f8ef64", inner, "wxabb8e5e80f591861")
	if got := pushSignature("GreedIsGood", "1669731472", "1487905294", encrypted); len(inner) != 288 ||
		got != "2152b4cd4935c9a21b5c3a0e97b197b74d8fd65d" {
		t.Errorf("inner %d bytes, msg_signature %s", len(inner), got)
	}
	body := indentedXML([]element{{name: "ToUserName", value: "gh_b4f0e22ae50e"}, {name: "Encrypt", value: encrypted}})
	if len(body) != 578 {
		t.Errorf("the secure body has %d bytes, the capture 578", len(body))
	}
	sample := Push{AESKey: "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"}
	const want = "jn1L23DB+6ELqJ+6bruv21Y6MD7KeIfP82D6gU39rmkgczbWwt5+3bnyg5K55bgVtVzd832WzZGMhkP72vVOfg=="
	if got := encryptPush(sample.key(), "aaaabbbbccccdddd", "我是中文abcd123", "wxb11529c136998cb6"); got != want {
		t.Errorf("Tencent's sample: %s", got)
	}
	if got, err := decryptPush(sample.key(), want, "wxb11529c136998cb6"); err != nil || got != "我是中文abcd123" {
		t.Errorf("decrypted: %q %v", got, err)
	}
	broken, _ := base64.StdEncoding.DecodeString(want)
	broken[len(broken)-17] ^= 1 // changes the last byte of the padding
	for name, test := range map[string][2]string{
		"another appid": {want, "wxb11529c136998cb7"}, "not base64": {"%", "wxb11529c136998cb6"},
		"padding": {base64.StdEncoding.EncodeToString(broken), "wxb11529c136998cb6"},
		"length":  {strings.Repeat("AAAA", 4), "wxb11529c136998cb6"},
	} {
		if _, err := decryptPush(sample.key(), test[0], test[1]); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestWireFormOfCaptures rebuilds public captures byte for byte. Their Content-Length was 283 (text),
// 278 (subscribe), 578 (secure text) and 832 (compatible text).
func TestWireFormOfCaptures(t *testing.T) {
	t.Parallel()
	file, err := os.ReadFile("../push/testdata/pushes.txt")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^(?:<xml>| *)<(\w+)>(?:<!\[CDATA\[(.*)\]\]>|(\d+(?:\.\d+)?))</\w+>$`)
	want := map[string]int{"text": 283, "subscribe": 278, "subscribe by a QR code": 415, "image": 488, "voice": 409,
		"link": 792, "scan": 402, "menu view": 339, "unsubscribe": 280, "secure text": 578, "compatible text": 832}
	for _, section := range strings.Split(string(file), "\n-- ")[1:] {
		head, body, _ := strings.Cut(section, "\n\n")
		name, _, _ := strings.Cut(head, "\n")
		if want[name] == 0 {
			continue
		}
		var els []element
		for _, m := range line.FindAllStringSubmatch(body, -1) {
			els = append(els, element{name: m[1], value: m[2] + m[3], bare: m[3] != ""})
		}
		build := plainXML
		if strings.HasPrefix(body, "<xml>\n    ") {
			build = indentedXML
		}
		got := build(els)
		if len(got) != want[name] || strings.TrimRight(got, "\n") != strings.TrimRight(body, "\n") {
			t.Errorf("%s: %d bytes, want %d\n%s", name, len(got), want[name], got)
		}
		delete(want, name)
	}
	if len(want) > 0 {
		t.Errorf("captures that are missing: %v", want)
	}
}
