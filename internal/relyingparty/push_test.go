package relyingparty_test

import (
	"context"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	silenceper "github.com/silenceper/wechat/v2"
	"github.com/silenceper/wechat/v2/cache"
	"github.com/silenceper/wechat/v2/officialaccount/config"
	"github.com/silenceper/wechat/v2/officialaccount/message"
	"github.com/silenceper/wechat/v2/util"

	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/wechat"
	"github.com/weigate/weigate/wechat/push"
	"github.com/weigate/weigate/wechat/wechattest"
)

// Message push has two sides of our own, wechat/push and the simulator. These tests compare each with
// the message server of silenceper/wechat v2, which many programs use.

const (
	pushAppID = "wx0123456789abcdef"
	pushToken = "pushtoken1"
	pushKey   = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG" // its last character has spare bits
)

// silenceperServer answers every text with "got: " and the text.
func silenceperServer(t *testing.T, key string) *httptest.Server {
	account := silenceper.NewWechat().GetOfficialAccount(&config.Config{
		AppID: pushAppID, Token: pushToken, EncodingAESKey: key, Cache: cache.NewMemory(),
	})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := account.GetServer(r, w)
		s.SetMessageHandler(func(m *message.MixMessage) *message.Reply {
			return &message.Reply{MsgType: message.MsgTypeText, MsgData: message.NewText("got: " + m.Content)}
		})
		if err := s.Serve(); err != nil {
			t.Errorf("silenceper/wechat: %v", err)
			return
		}
		if err := s.Send(); err != nil {
			t.Errorf("silenceper/wechat: %v", err)
		}
	}))
	t.Cleanup(server.Close)
	return server
}

// TestSimulatorPushesToSilenceper sends the simulator's pushes to an outside server, in every mode.
func TestSimulatorPushesToSilenceper(t *testing.T) {
	t.Parallel()
	for name, mode := range map[string]wechattest.PushMode{
		"secure": wechattest.PushSecure, "compatible": wechattest.PushCompatible, "plaintext": wechattest.PushPlaintext,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := silenceperServer(t, pushKey)
			sim, err := wechattest.New(wechattest.Config{Apps: []wechattest.App{{
				Kind: wechattest.SubscriptionAccount, AppID: pushAppID, Secret: leaktest.Secret, Name: "Personal",
				Push: wechattest.Push{URL: server.URL + "/wx", Token: pushToken, AESKey: pushKey, Mode: mode},
			}}})
			if err != nil {
				t.Fatal(err)
			}
			defer sim.Close()
			if err := sim.CheckPush(t.Context(), pushAppID); err != nil {
				t.Errorf("the check of the address: %v", err)
			}
			d, err := sim.SendText(t.Context(), "alice", pushAppID, "你好 482 9153")
			if err != nil || d.Reply != "got: 你好 482 9153" || d.Failure != "" {
				t.Errorf("%+v, %v", d, err)
			}
		})
	}
}

// TestSilenceperPushesToWeigate sends pushes that an outside library has encrypted and signed.
func TestSilenceperPushesToWeigate(t *testing.T) {
	t.Parallel()
	var got push.Message
	handler, err := push.New(push.Config{AppID: pushAppID, Token: pushToken, AESKey: wechat.Secret(pushKey),
		Handle: func(_ context.Context, m push.Message) (push.Reply, error) {
			got = m
			return push.Reply{Text: "thank you"}, nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	now := strconv.FormatInt(time.Now().Unix(), 10)
	plain := fmt.Sprintf("<xml><ToUserName>gh_0123456789ab</ToUserName><FromUserName>oALICE</FromUserName><CreateTime>%s"+
		"</CreateTime><MsgType>text</MsgType><Content><![CDATA[482 9153]]></Content><MsgId>7</MsgId></xml>", now)
	encrypted, err := util.EncryptMsg([]byte("0123456789abcdef"), []byte(plain), pushAppID, pushKey)
	if err != nil {
		t.Fatal(err)
	}
	query := url.Values{"timestamp": {now}, "nonce": {"n1"}, "encrypt_type": {"aes"}, "openid": {"oALICE"},
		"signature":     {util.Signature(pushToken, now, "n1")},
		"msg_signature": {util.Signature(pushToken, now, "n1", string(encrypted))}}
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/wx?"+query.Encode(),
		strings.NewReader("<xml><Encrypt><![CDATA["+string(encrypted)+"]]></Encrypt></xml>")))
	if answer.Code != http.StatusOK || got.Content != "482 9153" || got.OpenID != "oALICE" {
		t.Fatalf("%d %s: %+v", answer.Code, answer.Body, got)
	}
	// The answer is read by the outside library too.
	var sealed struct{ Encrypt, MsgSignature, TimeStamp, Nonce string }
	if err := xml.Unmarshal(answer.Body.Bytes(), &sealed); err != nil {
		t.Fatal(err)
	}
	if want := util.Signature(pushToken, sealed.TimeStamp, sealed.Nonce, sealed.Encrypt); sealed.MsgSignature != want {
		t.Error("the answer has another signature than silenceper/wechat expects")
	}
	_, document, err := util.DecryptMsg(pushAppID, sealed.Encrypt, pushKey)
	if err != nil || !strings.Contains(string(document), "thank you") ||
		!strings.Contains(string(document), "<ToUserName><![CDATA[oALICE]]></ToUserName>") {
		t.Errorf("%v: %s", err, document)
	}
}
