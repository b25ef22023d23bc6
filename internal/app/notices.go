package app

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/delivery"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/limit"
	"github.com/weigate/weigate/internal/notify"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/statistics"
	"github.com/weigate/weigate/wechat"
)

// This file builds the parts that notify administrators, and the parts that count for them.

// notices are the parts that notify administrators, and count sign-ins and problems.
type notices struct {
	notifier   *notify.Notifier
	worker     *delivery.Worker // sends notifications
	statistics *statistics.Collector
}

// newNotices returns the parts. The notifier has no receivers yet: App.Reload sets them.
func newNotices(o Options, store gateway.Store, limits *limit.Limiter) (*notices, error) {
	n := &notices{}
	var err error
	n.notifier, err = notify.New(notify.Config{
		Store:   store,
		Waiting: func(ctx context.Context) (int, error) { return store.CountWaiting(ctx, maxWaitingCounted) },
		User:    store.User,
		Wake:    func(at time.Time) { n.worker.Wake(gateway.DeliverNotification, at) },
		Problem: func(target, code, detail string) {
			n.statistics.Problem(gateway.Problem{Source: "notify:" + target, Code: code, Detail: detail})
		},
		Limits: limits, Now: o.Now, Logger: o.Logger,
	})
	if err != nil {
		return nil, err
	}
	n.worker, err = delivery.New(delivery.Config{
		Store: store, Senders: []delivery.Sender{n.notifier.Sender()}, Now: o.Now, Logger: o.Logger,
		Observe: o.Metrics.Delivery,
	})
	if err != nil {
		return nil, err
	}
	n.statistics, err = statistics.New(statistics.Config{
		Store: store, Notify: n.notifier.Notify, Now: o.Now, Logger: o.Logger,
	})
	return n, err
}

// maxWaitingCounted limits the number of waiting requests in a message.
const maxWaitingCounted = 1000

// run runs the parts until ctx ends. The notifier ends last, because it stores the last notices of
// the statistics.
func (n *notices) run(ctx context.Context) {
	notifying, stop := context.WithCancel(context.WithoutCancel(ctx))
	var parts sync.WaitGroup
	parts.Go(func() { n.notifier.Run(notifying) })
	parts.Go(func() { n.worker.Run(ctx) })
	n.statistics.Run(ctx)
	stop()
	parts.Wait()
}

// notifySettings returns the settings of the notifier for a configuration.
func notifySettings(c *config.Config) (notify.Settings, error) {
	s := notify.Settings{URL: c.URL, Title: c.Site.Title, Zone: c.Site.TimeZone}
	if s.Title == "" {
		s.Title = "Weigate"
	}
	for _, n := range c.Notify {
		client, err := newOutgoing(c, receiverPolicy(n), 0)
		if err != nil {
			return notify.Settings{}, fmt.Errorf("app: notify %s: %w", n.Name, err)
		}
		r := notify.Receiver{
			Name: n.Name, Kind: n.Kind, URL: string(n.URL), Events: n.Events, Keyword: n.Keyword, Mention: n.Mention,
			Language: n.Language, Client: client,
		}
		for _, secret := range n.Secrets {
			r.Secrets = append(r.Secrets, string(secret))
		}
		s.Receivers = append(s.Receivers, r)
	}
	return s, nil
}

// NewNotifier returns a notifier for commands. They store notices and test messages with Add and
// Test, and a gateway with the same store sends them.
func NewNotifier(c *config.Config, store gateway.Deliveries) (*notify.Notifier, error) {
	n, err := notify.New(notify.Config{Store: store})
	if err != nil {
		return nil, err
	}
	settings, err := notifySettings(c)
	n.Set(settings)
	return n, err
}

// The functions below count for the administration. Labels come from the configuration and from
// lists of outcomes in the code, never from requests.

// countSignIn counts the beginning or the end of a sign-in. outcome is an outcome of package flow.
func (n *notices) countSignIn(method, outcome string) {
	switch outcome {
	case "begun":
		n.statistics.Count(gateway.StatSignInBegan, method)
	case "signed_in":
		n.statistics.Count(gateway.StatSignInFinished, method)
	default:
		n.statistics.Count(gateway.StatSignInFailed, method+" "+outcome)
	}
}

// countApp counts a response to an app: a sign-in, or a refusal.
func (n *notices) countApp(app, outcome string) {
	switch {
	case app == "": // not a configured app
	case outcome == "ok":
		n.statistics.Count(gateway.StatAppSignIn, app)
	default:
		n.statistics.Count(gateway.StatAppRefused, app+" "+outcome)
	}
}

// wrongSecrets is how many wrong secrets of an app within ten minutes are a problem. A single one
// is not, because anybody can send it.
const wrongSecrets = 5

// wrongSecret records that an app has sent a wrong secret.
func (n *notices) wrongSecret(app string) {
	if app != "" {
		n.statistics.Repeated(gateway.Problem{
			Source: "app:" + app, Code: "invalid_client", Detail: "the app sends a wrong client secret",
		}, wrongSecrets)
	}
}

// hidingProxy records that users come through a reverse proxy, and the gateway does not know their
// addresses.
func (n *notices) hidingProxy(p route.HidingProxy) {
	problem := gateway.Problem{
		Source: "proxy:" + p.Address.String(), Code: administration.ProxyNotTrusted,
		Detail: "users come through this proxy, which is missing in trusted_proxies: all seem to have its address",
	}
	if p.Trusted {
		problem.Code = administration.ProxyReportsNobody
		problem.Detail = "users come through this proxy, which sends no readable X-Forwarded-For: all seem to have " +
			"its address"
	}
	n.statistics.Problem(problem)
}

// wechatProblems are the errcodes of WeChat that an administrator can correct. Errcodes such as 40029
// (invalid code) and 50001 (the user has revoked the permission) are missing: any user can cause them.
var wechatProblems = map[int]string{
	40001: "the AppSecret is wrong or was reset",
	40002: "grant type refused",
	40013: "the appid is wrong",
	40125: "the AppSecret is wrong",
	40164: "the address of the gateway is not on the allow-list",
	41002: "the appid is missing",
	41004: "the AppSecret is missing",
	45009: "the daily quota of calls is used up",
	48001: "the account lacks the permission for this interface",
	48004: "the account was blocked for this interface",
	61004: "the address of the gateway is not registered at the Open Platform",
}

// failedCalls is how many calls without an answer of WeChat within ten minutes are a problem.
const failedCalls = 10

// countWeChat counts one call to WeChat by a connector.
func (n *notices) countWeChat(ctx context.Context, connector string, c wechat.Call) {
	label := strconv.Itoa(c.Code)
	p := gateway.Problem{Source: "wechat:" + connector, RequestID: route.RequestID(ctx)}
	detail, known := wechatProblems[c.Code]
	switch {
	case errors.Is(c.Err, context.Canceled):
		return // the browser has disconnected
	case c.Code == 40001 && c.Endpoint != "access_token":
		// The token of a user was revoked. Only at the endpoint for codes, 40001 means a wrong secret.
	case known:
		p.Code, p.Detail = label, detail
		n.statistics.Problem(p)
	case c.Code == -1:
		p.Code, p.Detail = "-1", "WeChat is busy"
		n.statistics.Repeated(p, failedCalls)
	case c.Code == 0 && c.Err != nil:
		label = "no_answer"
		p.Code, p.Detail = label, "WeChat does not answer, or something else answers"
		n.statistics.Repeated(p, failedCalls)
	}
	n.statistics.Count(gateway.StatWeChat, connector+" "+label)
}
