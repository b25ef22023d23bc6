package api

import (
	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/gateway"
)

// This file converts stored records to the types of the API, field by field: a field that is added
// to a record appears in an answer only when it is added here too.

func userOf(u gateway.User) User {
	return User{
		ID: u.ID, Nickname: u.Nickname, AvatarURL: u.AvatarURL, Locale: u.Locale, Status: string(u.Status), Admin: u.Admin,
		Groups: list(u.Groups), RealName: u.RealName, Note: u.Note, AllowedApps: list(u.AllowedApps),
		RefusedApps: list(u.RefusedApps), OldID: u.OldID, CreatedAt: u.CreatedAt, UpdatedAt: u.UpdatedAt,
	}
}

func detailsOf(d administration.Details) UserDetails {
	return UserDetails{
		User: userOf(d.User), Identities: convert(d.Identities, identityOf), Sessions: convert(d.Sessions, sessionOf),
		AccessRequests: convert(d.Requests, requestOf), Subjects: convert(d.Pins, subjectOf),
		AppSessions: convert(d.AppSessions, appSessionOf), JoinedIDs: list(d.JoinedIDs),
	}
}

func identityOf(i gateway.Identity) Identity {
	return Identity{
		Connector: i.Connector, AppID: i.AppID, OpenID: i.OpenID, UnionID: i.UnionID, CreatedAt: i.CreatedAt,
		SeenAt: i.SeenAt,
	}
}

func sessionOf(s administration.Session) Session {
	return Session{
		ID: s.ID, Connector: s.Connector, Browser: s.Browser, Address: s.MaskedIP, Method: s.Method, AuthTime: s.AuthTime,
		CreatedAt: s.Since, SeenAt: s.SeenAt, ExpiresAt: s.ExpiresAt,
	}
}

func requestOf(r gateway.AccessRequest) AccessRequest {
	return AccessRequest{
		App: r.App, Method: r.Method, State: string(r.State), Reason: r.Reason, RequestedAt: r.RequestedAt,
		DecidedAt: r.DecidedAt, DecidedBy: r.DecidedBy,
	}
}

func subjectOf(p gateway.Pin) Subject {
	return Subject{App: p.App, Subject: p.Subject, CreatedAt: p.CreatedAt}
}

func appSessionOf(s gateway.AppSession) AppSession {
	return AppSession{App: s.App, SessionID: s.SessionID, Subject: s.Subject, CreatedAt: s.CreatedAt}
}

func waitingOf(w gateway.WaitingUser) WaitingUser {
	return WaitingUser{
		User: userOf(w.User), App: w.Request.App, Method: w.Request.Method, RequestedAt: w.Request.RequestedAt,
	}
}

func invitationOf(i gateway.Invitation) Invitation {
	return Invitation{
		ID: i.ID, Kind: string(i.Kind), UserID: i.UserID, Apps: list(i.Apps), Groups: list(i.Groups), Note: i.Note,
		CreatedBy: i.CreatedBy, CreatedAt: i.CreatedAt, ExpiresAt: i.ExpiresAt, MaxUses: i.MaxUses, Uses: i.Uses,
		RevokedAt: i.RevokedAt,
	}
}

func appOf(a administration.App) App {
	return App{
		ID: a.ID, Kind: string(a.Kind), Name: a.Name, Access: string(a.Access.Rule), Methods: list(a.Methods),
		HomeURL: a.HomeURL, Description: a.Description, Hidden: a.Hidden, Logout: a.Logout,
		Settings: convert(a.Settings, func(s administration.Setting) Setting { return Setting{Key: s.Key, Value: s.Value} }),
	}
}

func eventOf(e gateway.Event) Event {
	return Event{
		ID: e.ID, At: e.At, Kind: e.Kind, UserID: e.UserID, App: e.App, Connector: e.Connector, Method: e.Method,
		Outcome: e.Outcome, RequestID: e.RequestID, Detail: e.Detail, Actor: e.Actor, Address: e.Address,
	}
}

func deliveryOf(d gateway.Delivery) Delivery {
	out := Delivery{
		ID: d.ID, Kind: string(d.Kind), Target: d.Target, UserID: d.UserID, State: string(d.State), CreatedAt: d.CreatedAt,
		Attempts: d.Attempts, LastError: d.LastError,
	}
	if d.State == gateway.DeliveryWaiting {
		out.NextAt = d.NextAt
	}
	return out
}
