package wechattest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Delivery is what became of a push.
type Delivery struct {
	Posts []PushPost // the requests, in order; retries carry the same message
	// Reply is the text that the person sees; "" after an answer without a message.
	Reply string
	// Failure is why the person sees the grey line that the account's service has failed; "" for
	// none.
	Failure string
	// Held reports whether [Quirks.PushDelay] or [Quirks.PushHeldRetries] holds the push until
	// [Server.Advance].
	Held bool
	// Lost reports whether the push was not sent, because WeChat had stopped all pushes of the
	// account after failures ([Quirks.PushBreaker]).
	Lost bool
}

// PushPost is one request of a push.
type PushPost struct {
	URL    string // with the query
	Body   string
	Status int    // of the answer; 0 without an answer
	Answer string // the body of the answer
	// Problem is why WeChat does not accept the answer; "" for a good one.
	Problem string
}

// pushAnswerTime is how long WeChat waits for an answer, by its documents.
const pushAnswerTime = 5 * time.Second

// pushState is the state of the accounts' messages. The server's lock guards it.
type pushState struct {
	chats        map[appUser][]ChatMessage
	held         []heldPush
	last         map[appUser]Delivery // the last push of each person and account
	failures     map[string]int       // consecutive failed pushes of each appid
	stoppedUntil map[string]time.Time // until then an appid gets no pushes, see Quirks.PushBreaker
	tokens       map[string]*interfaceToken
	scenes       map[string]*sceneCode // by ticket
	follows      map[appUser]following // who has followed since the start
	calls        map[string]int        // of the calls that have a quota, by appid and call; see callsDay
	callsDay     string                // the day that calls counts
	forced       map[string]time.Time  // the last forced renewal of stable_token of each appid

	sweepScenes int // addScene deletes no expired codes while scenes has fewer entries
}

// following is how a person follows an account.
type following struct {
	since time.Time
	scene string // of the QR code by which they followed; "" = found by search
}

// earlierFollower is how the people of [Config.People] follow: before the start, by search.
func earlierFollower() following {
	return following{since: time.Date(2020, time.January, 1, 0, 0, 0, 0, time.UTC)}
}

func newPushState() pushState {
	return pushState{
		chats: map[appUser][]ChatMessage{}, last: map[appUser]Delivery{}, failures: map[string]int{},
		stoppedUntil: map[string]time.Time{}, tokens: map[string]*interfaceToken{}, scenes: map[string]*sceneCode{},
		calls: map[string]int{}, follows: map[appUser]following{}, forced: map[string]time.Time{},
	}
}

// outgoing is a push with the state of the server that it needs.
type outgoing struct {
	app     App
	user    appUser
	openID  string // FromUserName
	gh      string // original id of the account
	message []element
	quirks  Quirks
	created time.Time
	// posts are the earlier requests of a held retry. request is the latest of them.
	posts   []PushPost
	request pushRequest
	// outsideChat: neither a reply nor a failure appears in the chat.
	outsideChat bool
}

// heldPush is a push that is sent when [Server.Advance] has moved the clock to due.
type heldPush struct {
	outgoing
	due time.Time
}

// push sends a message or event of a person to the account's server. els are the elements after
// CreateTime.
func (s *Server) push(ctx context.Context, person, appID string, els []element) (Delivery, error) {
	s.mu.Lock()
	o, err := s.outgoing(person, appID)
	s.mu.Unlock()
	if err != nil {
		return Delivery{}, err
	}
	return s.send(ctx, o, els), nil
}

// outgoing returns a push without its message. The caller holds the lock.
func (s *Server) outgoing(person, appID string) (outgoing, error) {
	err := s.checkPush(appID)
	if err == nil && s.person(person) == nil {
		err = s.unknownPerson(person)
	}
	if err != nil {
		return outgoing{}, err
	}
	return outgoing{
		app: s.app(appID).clone(), user: appUser{appID: appID, person: person}, quirks: s.quirks, created: s.now(),
		openID: s.ids.openID(appID, person, notVirtual), gh: s.OriginalID(appID),
	}, nil
}

// send sends a push, or holds it ([Quirks.PushDelay]). els are the elements after CreateTime.
func (s *Server) send(ctx context.Context, o outgoing, els []element) Delivery {
	o.message = append([]element{{name: "ToUserName", value: o.gh}, {name: "FromUserName", value: o.openID},
		{name: "CreateTime", value: strconv.FormatInt(o.created.Unix(), 10), bare: true}}, els...)
	if o.quirks.PushDelay > 0 {
		return s.hold(o, Delivery{Held: true}, o.quirks.PushDelay)
	}
	return s.deliver(ctx, o)
}

// hold keeps a push until [Server.Advance] has moved the clock by delay.
func (s *Server) hold(o outgoing, d Delivery, delay time.Duration) Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.push.held = append(s.state.push.held, heldPush{outgoing: o, due: s.now().Add(delay)})
	if len(d.Posts) > 0 {
		s.state.push.last[o.user] = d
	}
	d.Posts = slices.Clone(d.Posts)
	return d
}

// takeHeldPushes removes and returns the held pushes that are due. The caller holds the lock.
func (s *Server) takeHeldPushes() []heldPush {
	var due, rest []heldPush
	for _, h := range s.state.push.held {
		if h.due.After(s.now()) {
			rest = append(rest, h)
		} else {
			due = append(due, h)
		}
	}
	s.state.push.held = rest
	if s.quirks.PushReverse {
		slices.Reverse(due)
	}
	return due
}

// deliver posts a push, with the retries. WeChat retries when it gets no answer. It does not retry
// after an answer, even after an invalid one.
func (s *Server) deliver(ctx context.Context, o outgoing) Delivery {
	s.mu.Lock()
	lost := s.now().Before(s.state.push.stoppedUntil[o.app.AppID])
	s.mu.Unlock()
	if lost {
		return s.finish(o, Delivery{Lost: true, Failure: "pushes are stopped for one minute, after failures"})
	}
	maxPosts := 3
	if o.quirks.PushFourPosts {
		maxPosts = 4
	}
	d := Delivery{Posts: o.posts}
	for i := len(o.posts); i < maxPosts; i++ {
		if i == 0 || o.quirks.PushFreshRetries {
			o.request = s.seal(o, time.Duration(i)*pushAnswerTime)
		}
		post, reply := s.post(ctx, o, o.request)
		d.Posts, d.Reply, d.Failure = append(d.Posts, post), reply, post.Problem
		if post.Status != 0 || ctx.Err() != nil {
			break
		}
		if o.quirks.PushHeldRetries && i+1 < maxPosts {
			o.posts, d.Held = d.Posts, true
			return s.hold(o, d, pushAnswerTime)
		}
	}
	if d.Failure == "" && o.quirks.PushRepeat {
		post, _ := s.post(ctx, o, o.request)
		d.Posts = append(d.Posts, post)
	}
	if d.Failure == "" && o.quirks.PushSecondPlatform {
		d.Failure = "a third-party platform that also receives the pushes has failed"
	}
	return s.finish(o, d)
}

// finish writes the reply or the failure line into the chat, and counts failures for
// [Quirks.PushBreaker].
func (s *Server) finish(o outgoing, d Delivery) Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := &s.state.push
	if d.Failure != "" {
		d.Reply = ""
	}
	st.last[o.user] = d
	switch {
	case o.outsideChat:
	case d.Failure != "":
		s.say(o.user, ChatMessage{From: "system", Text: pushFailure, Cause: d.Failure})
	case d.Reply != "":
		s.say(o.user, ChatMessage{From: "account", Text: d.Reply})
	}
	id := o.app.AppID
	switch {
	case d.Lost:
	case d.Failure == "":
		st.failures[id] = 0
	default:
		st.failures[id]++
		if n := o.quirks.PushBreaker; n > 0 && st.failures[id] >= n {
			st.failures[id], st.stoppedUntil[id] = 0, s.now().Add(time.Minute)
		}
	}
	return d
}

// pushRequest is the query and the body of a push.
type pushRequest struct{ url, body string }

// seal signs and encrypts a push. age is how much later than the first request it is sent.
func (s *Server) seal(o outgoing, age time.Duration) pushRequest {
	s.mu.Lock()
	nonce, random := s.ids.random(9, "123456789"), s.ids.random(16, hexDigits)
	s.mu.Unlock()
	els := o.message
	if o.quirks.PushEscape {
		els = slices.Clone(els)
		for i := range els {
			els[i].value = escapePush(els[i].value)
		}
	}
	message := plainXML(els)
	p, timestamp := o.app.Push, strconv.FormatInt(o.created.Add(age).Unix(), 10)
	query := "signature=" + pushSignature(p.Token, timestamp, nonce) + "&timestamp=" + timestamp + "&nonce=" + nonce
	if !o.quirks.PushNoOpenID {
		query += "&openid=" + url.QueryEscape(o.openID)
	}
	if p.Mode == PushPlaintext {
		return pushRequest{url: withQuery(p.URL, query), body: message}
	}
	encrypted := encryptPush(p.key(), random, message, o.app.AppID)
	query += "&encrypt_type=aes&msg_signature=" + pushSignature(p.Token, timestamp, nonce, encrypted)
	outer := []element{els[0]} // ToUserName
	if p.Mode == PushCompatible {
		outer = slices.Clone(els)
	}
	outer = append(outer, element{name: "Encrypt", value: encrypted})
	return pushRequest{url: withQuery(p.URL, query), body: indentedXML(outer)}
}

func withQuery(address, query string) string {
	if strings.Contains(address, "?") {
		return address + "&" + query
	}
	return address + "?" + query
}

// escapePush makes a text well-formed inside CDATA. WeChat sends it raw, see [Quirks.PushEscape].
func escapePush(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' {
			return -1
		}
		return r
	}, text)
	return strings.ReplaceAll(text, "]]>", "]]]]><![CDATA[>")
}

// post sends one request, and checks the answer.
func (s *Server) post(ctx context.Context, o outgoing, request pushRequest) (out PushPost, reply string) {
	out = PushPost{URL: request.url, Body: request.body}
	ctx, cancel := context.WithTimeout(ctx, pushAnswerTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, request.url, strings.NewReader(request.body))
	if err != nil {
		out.Problem = err.Error()
		return out, ""
	}
	req.Header.Set("User-Agent", "Mozilla/4.0")
	req.Header.Set("Accept", "*/*")
	req.Header.Set("Pragma", "no-cache")
	req.Header.Set("Content-Type", "text/xml")
	res, err := s.client.Do(req)
	if err == nil {
		var body []byte
		body, err = io.ReadAll(io.LimitReader(res.Body, 64<<10))
		_ = res.Body.Close()
		out.Answer = string(body)
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		out.Problem = "no answer within 5 seconds"
		return out, ""
	case err != nil:
		// The text of a *url.Error has the query, with the signatures and the openid.
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err
		}
		out.Problem = "no connection: " + err.Error()
		return out, ""
	}
	out.Status = res.StatusCode
	if res.StatusCode != http.StatusOK {
		out.Problem = "the answer has status " + strconv.Itoa(res.StatusCode)
		return out, ""
	}
	reply, err = o.readReply(out.Answer)
	if err != nil {
		out.Problem = err.Error()
	}
	return out, reply
}
