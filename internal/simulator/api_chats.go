package simulator

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weigate/weigate/wechat/wechattest"
)

// chatRoutes are the endpoints for the chat of a person with an account, and for its message push.
func (c *control) chatRoutes() []route {
	return []route{
		{method: "GET", path: "/api/phones/{person}/chats/{appid}",
			does:  "returns the chat of a person with an account",
			serve: c.apiChat},
		{method: "POST", path: "/api/phones/{person}/chats/{appid}", does: "acts in the chat: sends a text, follows, …",
			serve: c.apiActInChat},
		{method: "POST", path: "/api/apps/{appid}/check-push", does: "checks the push address as WeChat's console does",
			serve: c.apiCheckPush},
		{method: "POST", path: "/api/attacks", does: "sends a forged push", serve: c.apiAttack},
	}
}

// chatJSON is a chat in the answers of the API.
type chatJSON struct {
	Person   string            `json:"person"`
	AppID    string            `json:"appid"`
	OpenID   string            `json:"openid"`
	Follows  bool              `json:"follows"`
	Messages []chatMessageJSON `json:"messages"`
	Delivery deliveryJSON      `json:"delivery"` // of the last push
}

type chatMessageJSON struct {
	Time  time.Time `json:"time"`
	From  string    `json:"from"` // person, account or system
	Text  string    `json:"text"`
	Cause string    `json:"cause"` // why a line of system appeared; WeChat does not show the cause
}

// deliveryJSON is a wechattest.Delivery (what became of a push).
type deliveryJSON struct {
	Posts   []pushPostJSON `json:"posts"`
	Reply   string         `json:"reply"`
	Failure string         `json:"failure"`
	Held    bool           `json:"held"` // a quirk delays the push until the clock is advanced
	Lost    bool           `json:"lost"` // the push was not sent
}

type pushPostJSON struct {
	URL     string `json:"url"`
	Body    string `json:"body"`
	Status  int    `json:"status"`
	Answer  string `json:"answer"`
	Problem string `json:"problem"`
}

func newPushPostJSON(p wechattest.PushPost) pushPostJSON { return pushPostJSON(p) }

func newDeliveryJSON(d wechattest.Delivery) deliveryJSON {
	out := deliveryJSON{Posts: []pushPostJSON{}, Reply: d.Reply, Failure: d.Failure, Held: d.Held, Lost: d.Lost}
	for _, p := range d.Posts {
		out.Posts = append(out.Posts, newPushPostJSON(p))
	}
	return out
}

// chat returns the chat of a person with an account.
func (c *control) chat(person, appID string, d wechattest.Delivery) (any, error) {
	u, err := c.server.UserState(appID, person)
	if err != nil {
		return nil, err
	}
	out := chatJSON{Person: person, AppID: appID, OpenID: u.OpenID, Follows: u.Follows, Messages: []chatMessageJSON{},
		Delivery: newDeliveryJSON(d)}
	for _, m := range c.server.Chat(person, appID) {
		out.Messages = append(out.Messages, chatMessageJSON{Time: m.Time.UTC(), From: m.From, Text: m.Text,
			Cause: m.Cause})
	}
	return out, nil
}

func (c *control) apiChat(r *http.Request) (any, error) {
	person, appID := r.PathValue("person"), r.PathValue("appid")
	if err := c.checkChat(person, appID); err != nil {
		return nil, err
	}
	return c.chat(person, appID, c.server.LastDelivery(person, appID))
}

// checkChat returns an error for an unknown person or app, which lists the known ones.
func (c *control) checkChat(person, appID string) error {
	_, err := c.findPerson(person)
	_, err2 := c.findApp(appID)
	if err == nil {
		err = err2
	}
	return err
}

// chatAction is what a person does in a chat. It comes from a form of the control page or from the
// JSON API.
type chatAction struct {
	Do     string `json:"do"` // a key of chatActions
	Text   string `json:"text"`
	Target string `json:"at"`    // for link and scan: the link; for menu: the key or address of the button
	Label  string `json:"label"` // for link: the title; for location: the name of the place
}

// chatActions returns the actions: the values of the field do in a request. The map has the field
// that an action needs; "" for none.
func chatActions() map[string]string {
	return map[string]string{
		"text": "text", "voice": "", "image": "", "video": "", "shortvideo": "", "location": "", "link": "at",
		"follow": "", "unfollow": "", "menu": "at", "scan": "at", "revoke": "", "close": "", "profile": "",
	}
}

// check returns an error for an unknown action and for a field that is missing.
func (a chatAction) check() error {
	needs, known := chatActions()[a.Do]
	switch {
	case !known:
		names := slices.Sorted(maps.Keys(chatActions()))
		return invalid("do", strconv.Quote(a.Do)+" is not one of "+strings.Join(names, ", "))
	case needs == "text" && a.Text == "", needs == "at" && a.Target == "":
		return invalid(needs, "missing for "+a.Do)
	case len(a.Text)+len(a.Target)+len(a.Label) > maxChatText:
		return invalid("text", "too long: WeChat sends at most 64 KiB")
	}
	return nil
}

// maxChatText is the maximum size of what a person sends, in bytes. A receiver needs to accept no
// larger push.
const maxChatText = 64 << 10

// act performs an action in a chat. The action scan uses the account of the QR code instead of
// appID.
func (c *control) act(ctx context.Context, person, appID string, a chatAction) (wechattest.Delivery, error) {
	s := c.server
	switch a.Do {
	case "text":
		return s.SendText(ctx, person, appID, a.Text)
	case "voice":
		return s.SendVoice(ctx, person, appID)
	case "image":
		return s.SendImage(ctx, person, appID)
	case "video":
		return s.SendVideo(ctx, person, appID)
	case "shortvideo":
		return s.SendShortVideo(ctx, person, appID)
	case "location": // the People's Square in Shanghai
		return s.SendLocation(ctx, person, appID, wechattest.Place{Latitude: 31.230416, Longitude: 121.473701,
			Label: a.Label})
	case "link":
		return s.SendLink(ctx, person, appID, wechattest.Article{Title: a.Label, Description: a.Text, URL: a.Target})
	case "follow":
		return s.Follow(ctx, person, appID)
	case "unfollow":
		return s.Unfollow(ctx, person, appID)
	case "menu":
		return s.PressMenu(ctx, person, appID, a.Target)
	case "scan":
		return s.ScanQR(ctx, person, strings.TrimSpace(a.Target))
	case "revoke":
		return s.ChangeAuthorization(ctx, wechattest.AuthorizationRevoked, person, appID)
	case "close":
		return s.ChangeAuthorization(ctx, wechattest.AuthorizationCancelled, person, appID)
	}
	return s.ChangeAuthorization(ctx, wechattest.ProfileModified, person, appID) // "profile"
}

func (c *control) apiActInChat(r *http.Request) (any, error) {
	person, appID := r.PathValue("person"), r.PathValue("appid")
	if err := c.checkChat(person, appID); err != nil {
		return nil, err
	}
	var a chatAction
	if err := readJSON(r, &a); err != nil {
		return nil, err
	}
	if err := a.check(); err != nil {
		return nil, err
	}
	if a.Do == "scan" {
		if owner := c.server.QRAccount(strings.TrimSpace(a.Target)); owner != "" && owner != appID {
			return nil, invalid("at", "the QR code belongs to the app "+owner)
		}
	}
	d, err := c.act(r.Context(), person, appID, a)
	if err != nil {
		return nil, err
	}
	return c.chat(person, appID, d)
}

// chatError returns the status and the name of an error of a chat; 0 for other errors.
func chatError(err error) (status int, name string) {
	for _, each := range []struct {
		err    error
		status int
		name   string
	}{
		{wechattest.ErrNotFollowing, http.StatusConflict, "not_following"},
		{wechattest.ErrNoPush, http.StatusConflict, "no_push"},
		{wechattest.ErrNoMenu, http.StatusConflict, "no_menu"},
		{wechattest.ErrNoWebSignIn, http.StatusConflict, "no_web_sign_in"},
		{wechattest.ErrNoQRCode, http.StatusNotFound, "no_qr_code"},
	} {
		if errors.Is(err, each.err) {
			return each.status, each.name
		}
	}
	return 0, ""
}

// apiCheckPush makes the GET request by which WeChat checks a push address. A failed check is an
// answer, not an error. It is an error if the account has no push address.
func (c *control) apiCheckPush(r *http.Request) (any, error) {
	appID := r.PathValue("appid")
	if _, err := c.findApp(appID); err != nil {
		return nil, err
	}
	if err := readJSON(r, &struct{}{}); err != nil {
		return nil, err
	}
	err := c.server.CheckPush(r.Context(), appID)
	if errors.Is(err, wechattest.ErrNoPush) {
		return nil, err
	}
	problem := ""
	if err != nil {
		problem = strings.TrimPrefix(err.Error(), "wechattest: ")
	}
	return map[string]any{"appid": appID, "accepted": err == nil, "problem": problem}, nil
}

// attackNames returns the JSON names of the attacks. The index of a name is the
// wechattest.PushAttack.
func attackNames() []string {
	return []string{
		wechattest.AttackInjectedSender: "injectedSender",
		wechattest.AttackReplay:         "replay",
		wechattest.AttackDowngrade:      "downgrade",
		wechattest.AttackWrongAppID:     "wrongAppID",
		wechattest.AttackWrongSignature: "wrongSignature",
	}
}

func (c *control) apiAttack(r *http.Request) (any, error) {
	var body struct {
		Attack string `json:"attack"`
		AppID  string `json:"appid"`
		Person string `json:"person"`
		Victim string `json:"victim"`
		Text   string `json:"text"`
	}
	if err := readJSON(r, &body); err != nil {
		return nil, err
	}
	attack := slices.Index(attackNames(), body.Attack)
	if attack < 0 {
		return nil, invalid("attack", strconv.Quote(body.Attack)+" is not one of "+strings.Join(attackNames(), ", "))
	}
	if err := c.checkChat(body.Person, body.AppID); err != nil {
		return nil, err
	}
	if _, err := c.findPerson(body.Victim); err != nil {
		return nil, withField(err, "victim")
	}
	if len(body.Text) > maxChatText {
		return nil, invalid("text", "too long: at most 64 KiB")
	}
	post, err := c.server.AttackPush(r.Context(), wechattest.PushAttack(attack), body.Person, body.Victim, body.AppID,
		body.Text)
	if err != nil {
		return nil, err
	}
	return newPushPostJSON(post), nil
}
