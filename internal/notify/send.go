package notify

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/weigate/weigate/internal/delivery"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/limit"
	"github.com/weigate/weigate/internal/outgoing"
)

// send sends deliveries of one receiver as one message.
func (n *Notifier) send(ctx context.Context, together []gateway.Delivery) error {
	name := together[0].Target
	r, found := n.receiver(name)
	if !found {
		return &delivery.Error{Text: "the running gateway has no receiver of this name: reload it " +
			"(systemctl reload weigate, or SIGHUP)", Permanent: true}
	}
	notices, err := decode(together)
	if err != nil {
		return err
	}
	n.setNames(ctx, notices)
	isTest := len(notices) == 1 && notices[0].Kind == noticeTest
	if err := n.maySend(r, isTest); err != nil {
		return err
	}
	code, err := n.post(ctx, r, notices)
	failure := &delivery.Error{}
	if !errors.As(err, &failure) {
		return err
	}
	n.remember(name, code, failure)
	if failure.Permanent || together[0].Attempts >= lastingAttempts {
		n.cfg.Problem(name, code, failure.Text)
	}
	return failure
}

// lastingAttempts is the number of failed attempts after which a failure is a problem for
// administrators. A receiver may be unavailable for some minutes.
const lastingAttempts = 4

// codeGone is the code that checkResponse returns for the HTTP status 410 (Gone). With this status, a
// receiver refuses all further requests.
const codeGone = "410"

// remember stores in memory what a failure means for the next messages to a receiver.
func (n *Notifier) remember(name, code string, failure *delivery.Error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	state := n.stateOf(name)
	if failure.After > 0 {
		state.heldUntil = n.cfg.Now().Add(failure.After)
	}
	state.gone = state.gone || code == codeGone
}

func decode(together []gateway.Delivery) (notices []payload, err error) {
	for _, d := range together {
		var p payload
		if err := json.Unmarshal(d.Payload, &p); err != nil {
			return nil, &delivery.Error{Text: "the stored notice is not readable", Permanent: true}
		}
		notices = append(notices, p)
	}
	return notices, nil
}

// setNames sets the names of users who wait for approval: a user may have given a name after the
// notice was stored.
func (n *Notifier) setNames(ctx context.Context, notices []payload) {
	if n.cfg.User == nil {
		return
	}
	for i := range notices {
		p := &notices[i]
		if p.Kind != gateway.NoticeWaiting || p.UserID == "" {
			continue
		}
		if user, err := n.cfg.User(ctx, p.UserID); err == nil && user.DisplayName() != "" {
			p.User = shortName(user.DisplayName())
		}
	}
}

// maySend returns an error if no message may be sent to a receiver now.
func (n *Notifier) maySend(r Receiver, isTest bool) error {
	n.mu.Lock()
	state := *n.stateOf(r.Name)
	n.mu.Unlock()
	now := n.cfg.Now()
	switch {
	case state.gone && !isTest:
		return &delivery.Error{Text: "switched off by status 410 until the next reload", Permanent: true}
	case now.Before(state.heldUntil):
		return &delivery.Error{Text: "the platform refuses more messages for some minutes", After: state.heldUntil.Sub(now)}
	case r.Kind == JSON:
		return nil
	case !n.cfg.Limits.Allow(now, limit.Bucket{Rate: limit.MessagesPerRobot, Key: r.Name}):
		return &delivery.Error{Text: "too many messages to this robot", After: time.Minute}
	}
	return nil
}

// post sends one message. After a failure it returns a *delivery.Error, and the code of the failure
// for administrators: an error code of the platform, an HTTP status, or the kind of an
// outgoing.Error.
func (n *Notifier) post(ctx context.Context, r Receiver, notices []payload) (code string, err error) {
	m, err := n.message(ctx, r, notices)
	if err != nil {
		return "message", &delivery.Error{Text: "the message could not be made", Permanent: true}
	}
	response, err := r.Client.Post(ctx, m.url, "application/json; charset=utf-8", m.body, m.header)
	failure := &outgoing.Error{}
	switch {
	case errors.As(err, &failure):
		// The configuration decides whether an address is allowed. It changes with the next reload.
		permanent := failure.Kind == outgoing.AddressRefused || failure.Kind == outgoing.InvalidURL
		return string(failure.Kind), &delivery.Error{Text: failure.Error(), Permanent: permanent}
	case err != nil: // ctx has ended
		return "cancelled", &delivery.Error{Text: "interrupted"}
	}
	return checkResponse(r.Kind, response)
}
