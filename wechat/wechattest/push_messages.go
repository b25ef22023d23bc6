package wechattest

import (
	"context"
	"fmt"
	"strconv"
)

// SendText sends a text of a person to an account and pushes it. The Delivery has the reply. A
// failed push is not an error: see [Delivery.Failure]. The text of a person who does not follow the
// account is not sent: [ErrNotFollowing].
func (s *Server) SendText(ctx context.Context, person, appID, text string) (Delivery, error) {
	return s.act(ctx, person, appID, "text", text, element{name: "Content", value: text})
}

// SendVoice sends a voice message. Its Recognition is empty, as at WeChat since 2023.
func (s *Server) SendVoice(ctx context.Context, person, appID string) (Delivery, error) {
	return s.act(ctx, person, appID, "voice", "[语音]", element{name: "MediaId", value: s.mediaID()},
		element{name: "Format", value: "amr"}, element{name: "MsgId"}, element{name: "Recognition"})
}

// SendImage sends a picture.
func (s *Server) SendImage(ctx context.Context, person, appID string) (Delivery, error) {
	return s.act(ctx, person, appID, "image", "[图片]",
		element{name: "PicUrl", value: "http://mmbiz.qpic.cn/mmbiz_jpg/simulator/0"}, element{name: "MsgId"},
		element{name: "MediaId", value: s.mediaID()})
}

func (s *Server) mediaID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ids.random(64, base64url)
}

// SendVideo sends a video.
func (s *Server) SendVideo(ctx context.Context, person, appID string) (Delivery, error) {
	return s.sendVideo(ctx, person, appID, "video", "[视频]")
}

// SendShortVideo sends a video that was recorded in the chat (小视频).
func (s *Server) SendShortVideo(ctx context.Context, person, appID string) (Delivery, error) {
	return s.sendVideo(ctx, person, appID, "shortvideo", "[小视频]")
}

func (s *Server) sendVideo(ctx context.Context, person, appID, kind, shown string) (Delivery, error) {
	return s.act(ctx, person, appID, kind, shown, element{name: "MediaId", value: s.mediaID()},
		element{name: "ThumbMediaId", value: s.mediaID()}, element{name: "MsgId"})
}

// Place is a place that a person sends, see [Server.SendLocation].
type Place struct {
	Latitude, Longitude float64
	Label               string // its name; the person chooses it on the map
}

// SendLocation sends a place on the map.
func (s *Server) SendLocation(ctx context.Context, person, appID string, place Place) (Delivery, error) {
	degrees := func(f float64) string { return strconv.FormatFloat(f, 'f', 6, 64) }
	return s.act(ctx, person, appID, "location", "[位置] "+place.Label,
		element{name: "Location_X", value: degrees(place.Latitude), bare: true},
		element{name: "Location_Y", value: degrees(place.Longitude), bare: true},
		element{name: "Scale", value: "16", bare: true}, element{name: "Label", value: place.Label},
		element{name: "MsgId"})
}

// Article is a link that a person sends, see [Server.SendLink].
type Article struct{ Title, Description, URL string }

// SendLink sends a link, such as an article that the person has shared.
func (s *Server) SendLink(ctx context.Context, person, appID string, article Article) (Delivery, error) {
	return s.act(ctx, person, appID, "link", "[链接] "+article.Title, element{name: "Title", value: article.Title},
		element{name: "Description", value: article.Description}, element{name: "Url", value: article.URL},
		element{name: "MsgId"})
}

// AuthorizationChange is what a person does to the consent that they gave an account on its web
// pages (授权变更), see [Server.ChangeAuthorization].
type AuthorizationChange int

const (
	// AuthorizationRevoked is a consent that the person has withdrawn in WeChat's settings: the event
	// user_authorization_revoke. The next authorize page asks again.
	AuthorizationRevoked AuthorizationChange = iota
	// AuthorizationCancelled is a WeChat account that the person has closed: the event
	// user_authorization_cancellation. The person is deregistered at all apps.
	AuthorizationCancelled
	// ProfileModified is a profile that WeChat has cleaned or the person has changed: the event
	// user_info_modified.
	ProfileModified
)

// event returns the name of the event.
func (c AuthorizationChange) event() string {
	switch c {
	case AuthorizationRevoked:
		return "user_authorization_revoke"
	case AuthorizationCancelled:
		return "user_authorization_cancellation"
	case ProfileModified:
		return "user_info_modified"
	}
	return ""
}

// revokedProfile is the value of RevokeInfo for nickname and avatar. (201 is the address, 202 the
// invoice, 203 cards, 204 the microphone, 206 the location, 207 pictures and videos.)
const revokedProfile = "205"

// ChangeAuthorization makes a person change a consent, and pushes the event. FromUserName of this
// event is a user of WeChat's platform; OpenID is the person. WeChat sends it only to accounts with
// web sign-in: for another account, the error is [ErrNoWebSignIn]. The person need not follow the
// account. Nothing appears in the chat.
func (s *Server) ChangeAuthorization(ctx context.Context, change AuthorizationChange, person, appID string) (
	Delivery, error) {
	if change.event() == "" {
		return Delivery{}, fmt.Errorf("wechattest: AuthorizationChange(%d) is not a change", int(change))
	}
	o, els, err := s.applyChange(change, person, appID)
	if err != nil {
		return Delivery{}, err
	}
	return s.send(ctx, o, els), nil
}

// applyChange makes the change, and returns the event that is to be pushed.
func (s *Server) applyChange(change AuthorizationChange, person, appID string) (outgoing, []element, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, err := s.outgoing(person, appID)
	if err == nil && o.app.Kind != OfficialAccount && o.app.Kind != TestAccount {
		err = fmt.Errorf("wechattest: app %s: %w", appID, ErrNoWebSignIn)
	}
	if err != nil {
		return outgoing{}, nil, err
	}
	els := []element{{name: "MsgType", value: "event"}, {name: "Event", value: change.event()},
		{name: "OpenID", value: o.openID}, {name: "AppID", value: appID}}
	switch change {
	case AuthorizationRevoked:
		els = append(els, element{name: "RevokeInfo", value: revokedProfile})
		s.revokeConsent(appID, person)
	case AuthorizationCancelled:
		s.person(person).Deregistered = true
	}
	if platform := o.app.platform(); platform != "" {
		els = append(els, element{name: "UnionID", value: s.ids.unionID(platform, person, notVirtual)})
	}
	o.openID, o.outsideChat = platformUser, true
	return o, els, nil
}

// platformUser is FromUserName of an authorization change. (An openid of no person.)
const platformUser = "oPlatformServiceUser00000000"
