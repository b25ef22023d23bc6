package api

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/gateway"
)

var healthOperations = []operation{
	{
		id: "getHealth", method: http.MethodGet, path: "/health", scope: administration.ScopeHealthRead,
		query: []parameter{
			{name: "from", kind: timeKind, doc: "beginning; the default is 24 hours before the end",
				like: "2026-11-28T08:00:00Z"},
			{
				name: "until", kind: timeKind, like: "2026-11-29T08:00:00Z",
				doc: "end; the default is now. The period has at most 31 days",
			},
		},
		answer: Health{}, serve: (*Handler).getHealth,
		summary: "Return the health of sign-ins, WeChat and the signing keys",
		text:    "Whether the process runs is at /healthz and /readyz, without an API key.",
	},
	{
		id: "listDeliveries", method: http.MethodGet, path: "/deliveries", scope: administration.ScopeDeliveriesRead,
		query: join([]parameter{
			{name: "kind", kind: wordKind, words: []string{"logout", "notification"}, doc: "what is sent", like: "logout"},
			{name: "target", doc: "id of the app, or name in the notify list", like: "wiki"},
			{name: "user", doc: "id of the user whom it is about", like: "exampleexampleexampleexam2"},
			{name: "state", kind: wordKind, words: []string{"waiting", "sent", "failed"}, doc: "state", like: "failed"},
		}, pageParameters),
		answer: DeliveryPage{}, serve: (*Handler).listDeliveries,
		summary: "List what the gateway sends to apps and chat groups",
	},
	{
		id: "retryDelivery", method: http.MethodPost, path: "/deliveries/{delivery}/retry",
		scope: administration.ScopeDeliveriesWrite, codes: []string{"not_found"}, serve: (*Handler).retryDelivery,
		summary: "Send a failed delivery again",
		text:    "not_found also means that the delivery has not failed.",
	},
	{
		id: "listNotifications", method: http.MethodGet, path: "/notifications", scope: administration.ScopeDeliveriesRead,
		answer: Notifications{}, serve: (*Handler).listNotifications,
		summary: "List the names of the notify list",
	},
	{
		id: "testNotification", method: http.MethodPost, path: "/notifications/{notification}/test",
		scope: administration.ScopeDeliveriesWrite, codes: []string{"conflict", "not_found"},
		serve:   (*Handler).testNotification,
		summary: "Send a test message to an entry of the notify list",
		text: "The message is queued; listDeliveries has the result. " +
			"conflict means that the notify list is empty, not_found that it has no entry of this name.",
	},
}

func (h *Handler) getHealth(c *call) (any, error) {
	to := c.time("until")
	if to.IsZero() {
		to = h.cfg.Now()
	}
	from := c.time("from")
	if from.IsZero() {
		from = to.Add(-24 * time.Hour)
	}
	health, err := h.cfg.Service.Health(c.ctx, from, to)
	if err != nil {
		return nil, err
	}
	return healthOf(health), nil
}

func (h *Handler) listDeliveries(c *call) (any, error) {
	deliveries, err := h.cfg.Service.Deliveries(c.ctx, gateway.DeliveryQuery{
		Kind: gateway.DeliveryKind(c.text("kind")), Target: c.text("target"), UserID: c.text("user"),
		State: gateway.DeliveryState(c.text("state")), Before: c.after().Seq, Limit: c.limit() + 1,
	})
	if err != nil {
		return nil, err
	}
	deliveries, next := pageOf(deliveries, c.limit(), func(d gateway.Delivery) cursor { return cursor{Seq: d.ID} })
	return DeliveryPage{Deliveries: convert(deliveries, deliveryOf), Next: next}, nil
}

func (h *Handler) retryDelivery(c *call) (any, error) {
	id, err := strconv.ParseInt(c.path("delivery"), 10, 64)
	if err != nil || id <= 0 {
		return nil, gateway.ErrNotFound
	}
	return nil, h.cfg.Service.RetryDelivery(c.ctx, c.by, id)
}

func (h *Handler) listNotifications(*call) (any, error) {
	return Notifications{Names: list(h.cfg.Service.Notices())}, nil
}

func (h *Handler) testNotification(c *call) (any, error) {
	_, err := h.cfg.Service.TestNotice(c.ctx, c.by, c.path("notification"))
	if f := (*administration.FieldError)(nil); errors.As(err, &f) { // the name in the path is unknown
		return nil, gateway.ErrNotFound
	}
	return nil, err
}

func healthOf(h administration.Health) Health {
	return Health{
		From: h.From, Until: h.To, Waiting: h.Waiting, Undelivered: h.Undelivered,
		Hours: convert(h.Hours, func(each administration.Hour) Hour {
			methods := make([]MethodCount, 0, len(each.ByMethod))
			for _, m := range h.Methods {
				if n, counted := each.ByMethod[m]; counted {
					methods = append(methods, MethodCount{Method: m, Began: n.Began, Finished: n.Finished, Failed: n.Failed})
				}
			}
			return Hour{
				At: each.At, Began: each.Total.Began, Finished: each.Total.Finished, Failed: each.Total.Failed, Methods: methods,
			}
		}),
		WeChat: convert(h.WeChat, func(w administration.WeChatHour) WeChatCount {
			return WeChatCount{At: w.At, Connector: w.Connector, Errcode: w.Errcode, Count: w.Count}
		}),
		Apps: convert(h.Apps, func(a administration.AppCount) AppCount {
			return AppCount{App: a.App, SignedIn: a.SignedIn, Refused: a.Refused}
		}),
		Problems: convert(h.Problems, func(p administration.Problem) Fault {
			return Fault{
				Source: p.Source, Code: p.Code, Advice: p.Advice, FirstAt: p.FirstAt, LastAt: p.LastAt, Count: p.Count,
				RequestID: p.RequestID, Detail: p.Detail,
			}
		}),
		Keys: convert(h.Keys, func(k administration.KeyAge) SigningKey {
			return SigningKey{
				ID: k.ID, Alg: k.Alg, State: k.State, CreatedAt: k.CreatedAt, ActiveAt: k.ActiveAt, ExpiresAt: k.ExpiresAt,
			}
		}),
	}
}
