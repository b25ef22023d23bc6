package app

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/weigate/weigate/internal/autoreply"
	"github.com/weigate/weigate/internal/chat"
	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/wechat"
	"github.com/weigate/weigate/wechat/push"
)

// chats has the handlers for accounts with message push (消息推送): WeChat sends the gateway what users
// write to these accounts. If no account has message push, handler is nil.
type chats struct {
	handler *chat.Handler
	pushes  map[string]*push.Handler // by connector
}

// forwardTime is how long the gateway waits for another message server, to which it forwards a
// message. WeChat waits five seconds for the gateway's answer.
const forwardTime = 4 * time.Second

// pathPush is the path to which WeChat pushes messages; the name of the connector follows.
const pathPush = "/wechat/push/"

// newChats builds the handlers of all connectors with message push.
func (a *App) newChats(c *config.Config, s *services) (*chats, error) {
	out := &chats{pushes: map[string]*push.Handler{}}
	cfg := chat.Config{ // with the keys of scan, because scan and chat share a limit of cookies
		URL: c.URL, Keys: a.options.Sealer.Derive("scan"), SignIns: a.store, Limits: a.limits, Users: a.store,
		Total:  a.options.chatLimits,
		Events: a.store, Sessions: s.sessions, Apps: appsByID(c.Apps), Site: s.site, Zone: c.Site.TimeZone,
		Address: route.Address, Stopping: a.draining, RequestID: route.RequestID, Observe: a.observeChat,
		Logger: a.options.Logger, Now: a.options.Now,
	}
	responders := map[string]*autoreply.Responder{}
	for _, conn := range c.WeChat {
		if !conn.Push.Enabled {
			continue
		}
		account := chat.Account{
			Connector: conn.Name, AppID: conn.AppID, OpenPlatform: conn.OpenPlatform, Group: c.AppIDsSharingUnionIDs(conn),
			Name: conn.Push.AccountName, ID: conn.Push.AccountID, QRCode: conn.Push.QRCode, Language: conn.Push.Language,
			Simulator: conn.Control,
		}
		if conn.Kind == config.OfficialAccount {
			account.API = &wechat.StableToken{Client: a.wechatClient(conn), Now: a.options.Now}
		}
		cfg.Accounts = append(cfg.Accounts, account)
		responder, err := a.newResponder(c, conn.Push)
		if err != nil {
			return nil, err
		}
		responders[conn.Name] = responder
	}
	if len(cfg.Accounts) == 0 {
		return out, nil
	}
	// Other answers messages that belong to no sign-in.
	cfg.Other = func(ctx context.Context, connector string, m push.Message, hint string) (push.Reply, error) {
		return responders[connector].Respond(ctx, m, hint), nil
	}
	var err error
	if out.handler, err = chat.New(cfg); err != nil {
		return nil, err
	}
	for _, conn := range c.WeChat {
		if !conn.Push.Enabled {
			continue
		}
		if out.pushes[conn.Name], err = a.newPush(conn, out.handler); err != nil {
			return nil, fmt.Errorf("wechat.%s.push: %w", conn.Name, err)
		}
	}
	return out, nil
}

// wechatClient returns a client for the calls of a connector.
func (a *App) wechatClient(conn config.Connector) *wechat.Client {
	client := &wechat.Client{AppID: conn.AppID, Secret: conn.Secret, APIURL: conn.API, OpenURL: conn.Open}
	if a.options.Transport != nil {
		client.HTTPClient = &http.Client{Transport: a.options.Transport}
	}
	client.OnCall = func(ctx context.Context, call wechat.Call) {
		a.options.Metrics.WeChat(ctx, call)
		a.notices.countWeChat(ctx, conn.Name, call)
	}
	return client
}

// newPush returns the handler of the requests in which WeChat pushes the messages to an account.
func (a *App) newPush(conn config.Connector, handler *chat.Handler) (*push.Handler, error) {
	p := conn.Push
	cfg := push.Config{
		AppID: conn.AppID, OriginalID: p.OriginalID, Token: p.Token, AESKey: p.AESKey, PreviousToken: p.PreviousToken,
		PreviousAESKey: p.PreviousAESKey, PlaintextWithoutProtection: p.PlaintextWithoutProtection,
		Handle: func(ctx context.Context, m push.Message) (push.Reply, error) {
			return handler.Receive(ctx, conn.Name, m)
		},
		Observe: func(_ context.Context, e push.Event) { a.options.Metrics.Push(e.Type, e.Outcome) },
		Logger:  a.options.Logger, Now: a.options.Now,
	}
	if p.Compatible {
		cfg.Mode = push.Compatible
	}
	return push.New(cfg)
}

// newResponder returns the automatic replies of an account.
func (a *App) newResponder(c *config.Config, p config.Push) (*autoreply.Responder, error) {
	cfg := autoreply.Config{Welcome: p.Replies.Welcome, Fallback: p.Replies.Fallback, Forward: p.Forward,
		RequestID: route.RequestID, Logger: a.options.Logger}
	for _, k := range p.Replies.Keywords {
		cfg.Keywords = append(cfg.Keywords, autoreply.Keyword(k))
	}
	if p.Forward != "" {
		client, err := newOutgoing(c, appPolicy(c), forwardTime)
		if err != nil {
			return nil, err
		}
		cfg.Client = client
	}
	return autoreply.New(cfg), nil
}

// mount registers the pages of sign-ins in chats, and the addresses to which WeChat pushes. path is
// the path of the gateway's URL.
func (c *chats) mount(mux *route.Mux, s *services, path string) {
	if c.handler == nil {
		return
	}
	c.handler.Mount(mux, s.signIn)
	for name, handler := range c.pushes {
		for _, method := range []string{http.MethodGet, http.MethodPost} { // with GET, WeChat checks the address
			mux.Handle(method+" "+path+pathPush+name, handler, route.CrossSitePost, route.LimitedApp)
		}
	}
}
