package cli

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
)

// notifyCmd is "weigate notify". It manages deliveries: messages to administrators, and
// back-channel logouts to apps.
type notifyCmd struct {
	Test  notifyTestCmd  `cmd:"" help:"Send a test message to an entry below notify, by the running gateway."`
	List  notifyListCmd  `cmd:"" help:"List what was sent, or has to be sent, newest first."`
	Retry notifyRetryCmd `cmd:"" help:"Queue a failed delivery again."`
}

// notifyTestCmd is "weigate notify test".
type notifyTestCmd struct {
	adminFlags
	Name   string `arg:"" help:"Name of an entry below notify in the configuration."`
	NoWait bool   `name:"no-wait" help:"Do not wait until the running gateway has sent the message."`
}

// testWait is how long "weigate notify test" waits. The gateway looks for deliveries of other processes
// every 5 seconds.
const testWait = 12 * time.Second

// Run queues a message, which the running gateway sends, and waits for the result.
func (c *notifyTestCmd) Run(s *invocation) error {
	svc, closeStore, err := c.service(s)
	if err != nil {
		return err
	}
	defer closeStore()
	id, err := svc.TestNotice(s.ctx, byCommand, c.Name)
	var field *administration.FieldError
	switch {
	case errors.Is(err, administration.ErrNotConfigured):
		return withHint(errors.New("no notifications are configured"), "add notify to the configuration")
	case errors.As(err, &field):
		return withHint(err, "configured: %s", strings.Join(svc.Notices(), ", "))
	case err != nil:
		return err
	}
	if c.NoWait {
		if c.JSON {
			return s.out.printJSON(map[string]string{"name": c.Name, "outcome": "ok"})
		}
		s.out.printf("Queued for %s. The running gateway sends it: weigate notify list --target %s", c.Name, c.Name)
		return nil
	}
	d, err := awaitDelivery(s.ctx, svc, id, testWait)
	if err != nil {
		return err
	}
	return c.result(s, d)
}

// awaitDelivery returns a delivery when the gateway has tried to send it, or when the time has passed.
func awaitDelivery(
	ctx context.Context, svc *administration.Service, id int64, wait time.Duration,
) (gateway.Delivery, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	for {
		d, err := svc.Delivery(context.WithoutCancel(ctx), id)
		if err != nil || d.State != gateway.DeliveryWaiting || d.LastError != "" {
			return d, err
		}
		select {
		case <-ctx.Done():
			return d, nil
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// result prints the result of a test, and returns an error unless the message was sent.
func (c *notifyTestCmd) result(s *invocation, d gateway.Delivery) error {
	var err error
	switch reason := administration.DescribeFailure(s.language(), d.LastError); {
	case d.State == gateway.DeliverySent:
	case d.State == gateway.DeliveryFailed:
		err = lang.Errorf("not sent to %s: %s", c.Name, reason)
	case d.LastError != "":
		err = lang.Errorf("not sent to %s, will be repeated: %s", c.Name, reason)
	default:
		err = withHint(lang.Errorf("not sent to %s yet: the running gateway sends it", c.Name),
			"does the gateway run? Later: weigate notify list --target %s", c.Name)
	}
	if c.JSON {
		outcome := map[bool]string{true: "ok", false: "failed"}[err == nil]
		return errors.Join(s.out.printJSON(map[string]string{"name": c.Name, "outcome": outcome, "error": d.LastError}), err)
	}
	if err == nil {
		s.out.printf("Sent to %s.", c.Name)
	}
	return err
}

// notifyListCmd is "weigate notify list".
type notifyListCmd struct {
	adminFlags
	Kind   string `enum:"any,logout,notification" default:"any" help:"Only sign-outs or notifications."`
	State  string `enum:"any,waiting,sent,failed" default:"any" help:"Only this state."`
	Target string `placeholder:"NAME" help:"Only this entry below notify, or this app."`
	Limit  int    `default:"50" help:"Maximum number (${default}, at most 500)."`
	Before int64  `placeholder:"ID" help:"Continue after this delivery: the next page."`
}

// Run prints a table.
func (c *notifyListCmd) Run(s *invocation) error {
	svc, closeStore, err := c.service(s)
	if err != nil {
		return err
	}
	defer closeStore()
	if err := checkLimit(c.Limit); err != nil {
		return err
	}
	q := gateway.DeliveryQuery{Target: c.Target, Before: c.Before, Limit: c.Limit}
	if c.Kind != "any" {
		q.Kind = gateway.DeliveryKind(c.Kind)
	}
	if c.State != "any" {
		q.State = gateway.DeliveryState(c.State)
	}
	all, err := svc.Deliveries(s.ctx, q)
	if err != nil {
		return err
	}
	return printList(s, c.JSON, all, "No deliveries.",
		"ID | KIND | TARGET | STATE | CREATED | NEXT | ATTEMPTS | LAST ERROR",
		func(d gateway.Delivery) any { return newDeliveryEntry(d) },
		func(d gateway.Delivery) row {
			next := "-"
			if d.State == gateway.DeliveryWaiting {
				next = s.formatInstant(d.NextAt)
			}
			kind := lang.Text("%s", s.word("delivery", string(d.Kind)))
			if administration.IsTest(d) {
				kind = lang.Text("test message")
			}
			return cells(strconv.FormatInt(d.ID, 10), kind, d.Target,
				s.word("delivery_state", string(d.State)), s.formatInstant(d.CreatedAt), next,
				strconv.Itoa(d.Attempts), shorten(administration.DescribeFailure(s.language(), d.LastError), 60))
		})
}

// notifyRetryCmd is "weigate notify retry".
type notifyRetryCmd struct {
	adminFlags
	ID int64 `arg:"" help:"Id of the delivery, from weigate notify list."`
}

// Run queues a failed delivery again.
func (c *notifyRetryCmd) Run(s *invocation) error {
	svc, closeStore, err := c.service(s)
	if err != nil {
		return err
	}
	defer closeStore()
	err = svc.RetryDelivery(s.ctx, byCommand, c.ID)
	if errors.Is(err, gateway.ErrNotFound) {
		return withHint(lang.Errorf("delivery %d has not failed, or does not exist", c.ID),
			"weigate notify list --state failed")
	}
	if err != nil {
		return err
	}
	if c.JSON {
		return s.out.printJSON(map[string]any{"id": c.ID, "outcome": "ok"})
	}
	s.out.printf("%d  queued again", c.ID)
	return nil
}
