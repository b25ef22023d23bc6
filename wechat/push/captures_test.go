package push_test

import (
	_ "embed"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/wechat"
	"github.com/weigate/weigate/wechat/push"
)

// captures are public pushes with their keys. The file names the source of each.
//
//go:embed testdata/pushes.txt
var captures string

// capture is one push of the file.
type capture struct {
	name   string
	fields map[string]string // token, key, appid, query, source
	body   string
}

func readCaptures(t *testing.T) []capture {
	t.Helper()
	var all []capture
	for _, section := range strings.Split(captures, "\n-- ")[1:] {
		head, body, found := strings.Cut(section, "\n\n")
		if !found {
			t.Fatalf("a push without a body: %s", section)
		}
		name, lines, _ := strings.Cut(head, "\n")
		c := capture{name: name, body: body, fields: map[string]string{}}
		for _, line := range strings.Split(lines, "\n") {
			key, value, _ := strings.Cut(line, ":")
			c.fields[key] = strings.TrimSpace(value)
		}
		all = append(all, c)
	}
	return all
}

// wantCaptures are the messages of the pushes, without To and Request.
var wantCaptures = map[string]push.Message{
	"secure text": {OpenID: "oJqxQwYRyZMXFTc8sipB5TSe6Vw4", CreatedAt: time.Unix(1669731471, 0), Type: "text",
		MsgID: 23904806341841418, Content: "文本tdsa[Lol]§"},
	"compatible text": {OpenID: "oJqxQwYRyZMXFTc8sipB5TSe6Vw4", CreatedAt: time.Unix(1669640883, 0), Type: "text",
		MsgID: 23903507600338688, Content: "测试文本消息/:share©"},
	"compatible image": {OpenID: "oJqxQwYRyZMXFTc8sipB5TSe6Vw4", CreatedAt: time.Unix(1669641198, 0), Type: "image",
		MsgID: 23903513693085294, MediaID: "C37DwkADiUyieje_3i09HwITq4cQXvLlc6uuH8NvY-u3viSOzaSlwjLJqdDbghav",
		PictureURL: "http://mmbiz.qpic.cn/mmbiz_jpg/fNVGiboVppvtIGNcZzORUp3qQaJicU5CInwoicr12aRqFn5gxQoGGMI76VzKUDYdT" +
			"2Y0dD0Gl1UOwL7Y69M0u4q4Q/0"},
	"secure image": {OpenID: "oJqxQwYRyZMXFTc8sipB5TSe6Vw4", CreatedAt: time.Unix(1669646631, 0), Type: "image",
		MsgID: 23903591514317975, MediaID: "72CTt6IzvEw_9yvUhA_rm5gMVfyICCZ9mlH5qcuuKFkeORvWbkxmRQexxuWEPuBY",
		PictureURL: "http://mmbiz.qpic.cn/mmbiz_jpg/fNVGiboVppvtIGNcZzORUp3qQaJicU5CInwoicr12aRqFn5gxQoGGMI76VzKUDYdT" +
			"2Y0dD0Gl1UOwL7Y69M0u4q4Q/0"},
	"secure location": {OpenID: "oJqxQwYRyZMXFTc8sipB5TSe6Vw4", CreatedAt: time.Unix(1669646811, 0), Type: "location",
		MsgID: 23903596802306575, Latitude: "31.216948", Longitude: "121.558220", Label: "浦东新区芳甸路858号"},
	"compatible text of 2014": {OpenID: "olPjZjsXuQPJoV0HlruZkNzKc91E", CreatedAt: time.Unix(1414387151, 0),
		Type: "text", MsgID: 6074746557628292943, Content: "你好"},
	"secure text of 2014": {OpenID: "olPjZjsXuQPJoV0HlruZkNzKc91E", CreatedAt: time.Unix(1414387151, 0),
		Type: "text", MsgID: 6074746557628292943, Content: "你好"},
	"compatible file of 2018": {OpenID: "o5lE40xwHOqG8riO_EOZQV3JYCV8", CreatedAt: time.Unix(1519483978, 0),
		Type: "file", MsgID: 6526133992738756795, Label: "test.zip"},
	"sample for Python": {OpenID: "oyORnuP8q7ou2gfYjqLzSIWZf0rs", CreatedAt: time.Unix(1409735668, 0), Type: "text",
		MsgID: 6054768590064713728, Content: "abcdteT"},
	"EasyWeChat": {OpenID: "asdasdasdsadasd", CreatedAt: time.Unix(1234567898, 0), Type: "text", MsgID: 12345,
		Content: "hello"},
	"sample for C++": {OpenID: "mycreate", CreatedAt: time.Unix(1409659813, 0), Type: "text",
		MsgID: 4561255354251345929, Content: "hello"},
	"wechatpy": {OpenID: "messense", CreatedAt: time.Unix(1411525903, 0), Type: "text", MsgID: 4363689963896700987,
		Content: "test"},
	"chanxuehong": {OpenID: "okPEat9FRX96xG8JQvTxHLpzDV64", CreatedAt: time.Unix(1458889120, 0), Type: "text",
		MsgID: 6265881059295447969, Content: "test text message"},
	"subscribe": event2022(1668926536, push.Message{Event: "subscribe"}),
	"subscribe by a QR code": event2022(1670592443, push.Message{Event: "subscribe", EventKey: "qrscene_110",
		Ticket: "gQGP8DwAAAAAAAAAAS5odHRwOi8vd2VpeGluLnFxLmNvbS9xLzAybUdKYm9weGFjU0cxeFJVajF6MU0AAgSFN5NjAwTwAAAA"}),
	"scan": event2022(1670591703, push.Message{Event: "scan", EventKey: "110",
		Ticket: "gQFJ8DwAAAAAAAAAAS5odHRwOi8vd2VpeGluLnFxLmNvbS9xLzAyZVQ1d29aeGFjU0cxeUNSamh6MVAAAgS2NJNjAwTwAAAA"}),
	"unsubscribe": event2022(1668927673, push.Message{Event: "unsubscribe"}),
	"text":        message2022(1668869541, push.Message{Type: "text", MsgID: 23892468385179204, Content: "文本消息"}),
	"image": message2022(1668872148, push.Message{Type: "image", MsgID: 23892506037395301,
		MediaID: "r17pubpoqgAFxSEC15N0DcUMMAnhMTvYYPCwxw_NRvI-EFkPSTO8yUYVet3oKHJd",
		PictureURL: "http://mmbiz.qpic.cn/mmbiz_jpg/fNVGiboVppvsbCrxzUJXWM77jKZxevAIzb5AKlvMZ0DAUmTuicVZMPTowaL8ERsSx" +
			"xrhl0gzH4J4JicxcAJ6FW3mw/0"}),
	"voice": message2022(1668872383, push.Message{Type: "voice", MsgID: 23892507910728562, Format: "amr",
		MediaID: "r17pubpoqgAFxSEC15N0DfEpiGWN1IAIOTA8IR5IqnUL6dSen03mYFngOYxahsbo"}),
	"video": message2022(1668926576, push.Message{Type: "video", MsgID: 23893282193621731,
		MediaID: "LpJA9bW3JX2VI5qoTLP4ZOWVScSQuUg0RMGlYmDF1cH-lQo143YnzKvEjL0fbk3h"}),
	"location": message2022(1668931049, push.Message{Type: "location", MsgID: 23893347810211482,
		Latitude: "31.237238", Longitude: "121.666672", Label: "浦东新区上丰路1270号"}),
	"link": message2022(1668926928, push.Message{Type: "link", MsgID: 23893287037808614, Label: "B 站高可用架构实践",
		LinkURL: "http://mp.weixin.qq.com/s?__biz=MzA4MjEyNTA5Mw==&mid=2652581569&idx=1&sn=8e49b50b544807b2685a7a2a12" +
			"cb3b74&chksm=8465068bb3128f9d7e03bfd874d0b8a5cf1df4a9e9079c2c9fb36394af8ab41204ddbbb10379&mpshare=1&scene=24" +
			"&srcid=1201NL6vCASgMuYtG2HqlNUo&sharer_sharetime=1638319262554&sharer_shareid=00a532a01f508d5bdb34695c01ff3740" +
			"#rd"}),
	"location event": event2022(1670159648, push.Message{Event: "location", Latitude: "31.267813",
		Longitude: "121.598755"}),
	"template result": event2022(1670679843, push.Message{Event: "templatesendjobfinish"}),
	"menu click":      event2022(1670337905, push.Message{Event: "click", EventKey: "PRACTICE_MAKES_SENSE"}),
	"menu view": event2022(1670332263, push.Message{Event: "view",
		EventKey: "https://timesmagazin.com/category/world"}),
	"menu scan": event2022(1670338145, push.Message{Event: "scancode_push",
		EventKey: "WITHOUT_AN_INVESTIGATION_THERE_IS_NO_VOICE"}),
	"menu pictures": event2022(1670338473, push.Message{Event: "pic_photo_or_album",
		EventKey: "LEARN_FROM_HISTORY"}),
	"menu location": event2022(1670676030, push.Message{Event: "location_select",
		EventKey: "FITTEST_SURVIVAL_LAST"}),
}

// message2022 returns a message of the person of the captures of the plaintext mode.
func message2022(created int64, m push.Message) push.Message {
	m.OpenID, m.CreatedAt = "ooUo26seZPcU3qKfcMiXLneG3fO4", time.Unix(created, 0)
	return m
}

func event2022(created int64, m push.Message) push.Message {
	m.Type = "event"
	return message2022(created, m)
}

var accountOf = regexp.MustCompile(`<ToUserName><!\[CDATA\[([^]]+)`)

// Each public push is read and answered in the mode in which it was sent.
func TestPublicPushes(t *testing.T) {
	t.Parallel()
	all := readCaptures(t)
	if len(all) != len(wantCaptures) {
		t.Errorf("%d pushes in the file, %d in the table", len(all), len(wantCaptures))
	}
	for _, c := range all {
		query, err := url.ParseQuery(c.fields["query"])
		if err != nil {
			t.Fatal(err)
		}
		seconds, err := strconv.ParseInt(query.Get("timestamp"), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		token, key, account := c.fields["token"], c.fields["key"], accountOf.FindStringSubmatch(c.body)[1]
		if token == "" { // the source has no signature
			token = testToken
			query.Set("encrypt_type", "aes")
			query.Set("msg_signature", signature(token, query.Get("timestamp"), query.Get("nonce"),
				encryptedOf(c.body)))
		}
		f := newFixture(t, func(cfg *push.Config) {
			cfg.Token, cfg.AESKey, cfg.AppID = wechat.Secret(token), wechat.Secret(key), c.fields["appid"]
			cfg.OriginalID, cfg.PlaintextWithoutProtection = account, key == ""
			if strings.Contains(c.body, "<FromUserName>") && key != "" {
				cfg.Mode = push.Compatible
			}
			cfg.Now = func() time.Time { return time.Unix(seconds, 0) }
		})
		status, body := f.send(request{query: query, body: c.body})
		got := f.received()
		if status != http.StatusOK || len(got) != 1 {
			t.Errorf("%s: %d, %d messages: %s", c.name, status, len(got), f.log)
			continue
		}
		want := wantCaptures[c.name]
		want.To = account
		got[0].Request = nil
		if got[0] != want {
			t.Errorf("%s: got %+v, want %+v", c.name, got[0], want)
		}
		if key == "" {
			continue
		}
		if to, _, _ := answerOf(t, token, key, c.fields["appid"], body); to != want.OpenID {
			t.Errorf("%s: the answer is to %s", c.name, to)
		}
	}
}
