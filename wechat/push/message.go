package push

import (
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Types of messages, see [Message.Type].
const (
	TypeText       = "text"
	TypeImage      = "image"
	TypeVoice      = "voice"
	TypeVideo      = "video"
	TypeShortVideo = "shortvideo"
	TypeLocation   = "location"
	TypeLink       = "link"
	TypeEvent      = "event"
)

// Events, see [Message.Event].
const (
	EventSubscribe   = "subscribe"   // the person follows the account
	EventUnsubscribe = "unsubscribe" // the person stopped following
	EventScan        = "scan"        // a follower scanned a QR code with a parameter
	EventClick       = "click"       // a follower pressed an entry of the menu
	EventView        = "view"        // a follower opened a link of the menu
	EventLocation    = "location"    // a follower's position

	// The person withdrew the consent that they gave at web sign-in, closed their WeChat account, or
	// changed or removed their profile.
	EventAuthorizationRevoked   = "user_authorization_revoke"
	EventAuthorizationCancelled = "user_authorization_cancellation"
	EventProfileModified        = "user_info_modified"
)

// Message is one message or event. Fields that a type does not have are empty. Text is as the
// person wrote it, without control characters; do not trust it.
type Message struct {
	OpenID    string    // the person; identifies them in this account, as in web sign-in
	To        string    // original id (原始ID) of the account
	CreatedAt time.Time // when WeChat received the message, to the second
	Type      string    // TypeText, …; other values are possible
	MsgID     uint64    // id of the message; 0 for events

	Content        string // of a text
	MenuID         string // of a text that the person sent by pressing a link of a reply: its msgmenuid
	MediaID        string // of an image, voice, video or shortvideo
	Format         string // of a voice, such as amr
	Recognition    string // of a voice; WeChat has sent none since 2023
	PictureURL     string // of an image
	Latitude       string // of a location, in degrees
	Longitude      string // of a location
	Label          string // of a location, or the title of a link
	LinkURL        string // of a link
	Event          string // of an event, in lower case: EventSubscribe, …; other values are possible
	EventKey       string // of an event: the key of the menu entry, or the scene
	Ticket         string // of an event by a QR code with a parameter: the ticket of the code
	UnionID        string // of events about authorizations
	RevokedDetails string // RevokeInfo of events about authorizations, such as "201,205"

	// Request is the request as WeChat sent it, after it was verified. It can be forwarded to another
	// server, which can verify it with the same token and key.
	Request *Original
}

// Original is a verified request as WeChat sent it.
type Original struct {
	Query       url.Values // signature, timestamp, nonce and so on
	Body        []byte     // do not change it
	ContentType string
}

// scenePrefix begins the EventKey of a subscription by a QR code with a parameter.
const scenePrefix = "qrscene_"

// Scene returns the parameter of the QR code by which the person followed the account or, as a
// follower, opened the chat. It returns "" for other messages.
func (m *Message) Scene() string {
	switch m.Event {
	case EventScan:
		return m.EventKey
	case EventSubscribe:
		if scene, found := strings.CutPrefix(m.EventKey, scenePrefix); found {
			return scene
		}
	}
	return ""
}

// kind returns Event.Type: a type or event that this package knows, or "other".
func (m *Message) kind() string {
	name := m.Type
	if m.Type == TypeEvent {
		name = m.Event
	}
	switch name {
	case TypeText, TypeImage, TypeVoice, TypeVideo, TypeShortVideo, TypeLocation, TypeLink, EventSubscribe,
		EventUnsubscribe, EventScan, EventClick, EventView, EventAuthorizationRevoked,
		EventAuthorizationCancelled, EventProfileModified:
		return name
	}
	return "other"
}

// isAboutAuthorization reports whether the event is about a person's consent or profile. Its sender
// (FromUserName) is a user of WeChat itself. The person is in the element OpenID.
func (m *Message) isAboutAuthorization() bool {
	return m.Event == EventAuthorizationRevoked || m.Event == EventAuthorizationCancelled ||
		m.Event == EventProfileModified
}

// key returns what is equal in all pushes of one message: the id of the message, and for events,
// which have none, the person, time and content.
func (m *Message) key() string {
	if m.MsgID != 0 {
		return "m|" + m.OpenID + "|" + strconv.FormatUint(m.MsgID, 10)
	}
	created := strconv.FormatInt(m.CreatedAt.Unix(), 10)
	return strings.Join([]string{"e", m.OpenID, created, m.Type, m.Event, m.EventKey}, "|")
}

// readMessage returns the message of an XML document.
func readMessage(document []byte) (m Message, err error) {
	fields, err := readFields(document)
	if err != nil {
		return Message{}, err
	}
	created, err := strconv.ParseInt(fields["CreateTime"], 10, 64)
	if err != nil || created <= 0 || created > 1<<40 { // 1<<40 is in the year 36812
		return Message{}, errNotMessage
	}
	m = Message{
		OpenID: fields["FromUserName"], To: fields["ToUserName"], CreatedAt: time.Unix(created, 0), Type: fields["MsgType"],
		UnionID: fields["UnionID"], RevokedDetails: fields["RevokeInfo"],
	}
	if m.OpenID == "" || m.To == "" || m.Type == "" {
		return Message{}, errNotMessage
	}
	if m.Type == TypeEvent {
		// WeChat's documents have other capitals than its pushes, such as in UnSubscribe.
		m.Event, m.EventKey, m.Ticket = strings.ToLower(fields["Event"]), fields["EventKey"], fields["Ticket"]
		m.Latitude, m.Longitude = fields["Latitude"], fields["Longitude"]
		if m.isAboutAuthorization() {
			m.OpenID = fields["OpenID"]
		}
		if m.OpenID == "" {
			return Message{}, errNotMessage
		}
		return m, nil
	}
	// An id has 64 bits. It does not fit into a number of JSON or JavaScript.
	if m.MsgID, err = strconv.ParseUint(fields["MsgId"], 10, 64); err != nil {
		return Message{}, errNotMessage
	}
	m.Content, m.MenuID, m.MediaID = fields["Content"], fields["bizmsgmenuid"], fields["MediaId"]
	m.Format, m.Recognition, m.PictureURL = fields["Format"], fields["Recognition"], fields["PicUrl"]
	m.Latitude, m.Longitude = fields["Location_X"], fields["Location_Y"]
	m.Label, m.LinkURL = fields["Label"]+fields["Title"], fields["Url"] // a message has only one of the two
	return m, nil
}
