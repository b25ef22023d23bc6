package api

import (
	"reflect"
	"time"
)

// The examples of the OpenAPI document.

const (
	exampleID  = "exampleexampleexampleexam2"
	exampleID3 = "exampleexampleexampleexam3"
	wechatApp  = "wx0123456789abcdef"
)

var pathExamples = map[string]string{
	"user": exampleID, "session": "q7HqQ2bF0bI3J1fWc4K5dA", "invitation": exampleID, "app": "wiki", "delivery": "17",
	"notification": "chat",
}

var (
	then = time.Date(2026, 11, 29, 8, 0, 0, 0, time.UTC)

	exampleUser = User{
		ID: exampleID, Nickname: "小李", AvatarURL: "https://thirdwx.qlogo.cn/mmopen/example/132", Locale: "zh-CN",
		Status: "active", Groups: []string{"finance", "staff"}, RealName: "李四", Note: "started in May",
		AllowedApps: []string{}, RefusedApps: []string{}, OldID: "alice@example.com", CreatedAt: then, UpdatedAt: then,
	}
	exampleEvent = Event{
		ID: 4711, At: then, Kind: "user_blocked", UserID: exampleID, Outcome: "ok", RequestID: "k3j5x7q2ma",
		Detail: "reason: left the company", Actor: "key:" + exampleID3, Address: "192.0.2.*",
	}
	exampleInvitation = Invitation{
		ID: exampleID, Kind: "user", Apps: []string{"wiki"}, Groups: []string{"staff"}, Note: "new colleagues in May",
		CreatedBy: "key:" + exampleID3, CreatedAt: then, ExpiresAt: then.Add(7 * 24 * time.Hour), MaxUses: 20,
	}
	exampleApp = App{
		ID: "wiki", Kind: "oidc", Name: "Wiki", Access: "approved", Methods: []string{}, HomeURL: "https://wiki.example.com/",
		Description: "what we know", Logout: true,
		Settings: []Setting{{Key: "redirect_uris", Value: "https://wiki.example.com/callback"}},
	}
)

var exampleProblem = Problem{
	Type: "urn:weigate:problem:missing_scope", Title: problemKindOf("missing_scope").title, Status: 403,
	Code: "missing_scope", Detail: "the key lacks the scope users:write", Side: sideCaller,
	Action: problemKindOf("missing_scope").action, Scope: "users:write", RequestID: "k3j5x7q2ma",
}

var examples = map[reflect.Type]any{
	reflect.TypeFor[Key](): Key{
		ID: exampleID3, Name: "off-boarding", Scopes: []string{"users:read", "users:write"}, CreatedAt: then,
	},
	reflect.TypeFor[User]():     exampleUser,
	reflect.TypeFor[UserPage](): UserPage{Users: []User{exampleUser}, Next: cursor{ID: exampleID}.String()},
	reflect.TypeFor[UserDetails](): UserDetails{
		User: exampleUser,
		Identities: []Identity{{
			Connector: "main", AppID: wechatApp, OpenID: "oExampleExampleExampleExamp1", CreatedAt: then, SeenAt: then,
		}},
		Sessions: []Session{{
			ID: "q7HqQ2bF0bI3J1fWc4K5dA", Connector: "main", Browser: "WeChat on Android", Method: "wechat", AuthTime: then,
			CreatedAt: then, SeenAt: then, ExpiresAt: then.Add(24 * time.Hour),
		}},
		AccessRequests: []AccessRequest{{
			App: "wiki", Method: "wechat", State: "approved", RequestedAt: then, DecidedAt: then, DecidedBy: exampleID3,
		}},
		Subjects:    []Subject{{App: "wiki", Subject: exampleID, CreatedAt: then}},
		AppSessions: []AppSession{{App: "wiki", SessionID: "c2lkLWV4YW1wbGU", Subject: exampleID, CreatedAt: then}},
		JoinedIDs:   []string{},
	},
	reflect.TypeFor[UserEdit]():  object{"groups": []string{"finance", "staff"}, "real_name": "李四"},
	reflect.TypeFor[AdminEdit](): AdminEdit{Admin: true},
	reflect.TypeFor[Users]():     Users{Users: []string{exampleID}},
	reflect.TypeFor[Block]():     Block{Users: []string{exampleID}, Reason: "left the company"},
	reflect.TypeFor[Approval](): Approval{
		Users: []string{exampleID}, Apps: []string{"wiki"}, Groups: []string{"staff"},
	},
	reflect.TypeFor[Refusal](): Refusal{Users: []string{exampleID}, Reason: "ask your team for an invitation"},
	reflect.TypeFor[Outcomes](): Outcomes{Done: 1, Left: 1, Outcomes: []Outcome{
		{UserID: exampleID, Done: true, Status: "blocked"},
		{UserID: exampleID3, Code: "not_found", Detail: "There is no such object."},
	}},
	reflect.TypeFor[Merge]():  Merge{Younger: exampleID3},
	reflect.TypeFor[Unlink](): Unlink{AppID: wechatApp, OpenID: "oExampleExampleExampleExamp1"},
	reflect.TypeFor[WaitingPage](): WaitingPage{Waiting: []WaitingUser{{
		User: exampleUser, App: "wiki", Method: "scan", RequestedAt: then,
	}}},
	reflect.TypeFor[WaitingCount]():   WaitingCount{Count: 3},
	reflect.TypeFor[InvitationPage](): InvitationPage{Invitations: []Invitation{exampleInvitation}},
	reflect.TypeFor[NewInvitation](): NewInvitation{
		Kind: "user", Apps: []string{"wiki"}, Groups: []string{"staff"}, Note: "new colleagues in May", MaxUses: 20,
	},
	reflect.TypeFor[CreatedInvitation](): CreatedInvitation{
		Invitation: exampleInvitation, Link: "https://auth.example.com/invite/" + exampleID,
	},
	reflect.TypeFor[InvitationDetails](): InvitationDetails{
		Invitation: exampleInvitation, Uses: []InvitationUse{{UserID: exampleID, At: then}},
	},
	reflect.TypeFor[Apps](): Apps{Apps: []App{exampleApp}},
	reflect.TypeFor[AppDetails](): AppDetails{
		App: exampleApp, Snippet: "issuer: https://auth.example.com", Events: []Event{exampleEvent}, Failures: []Event{},
	},
	reflect.TypeFor[EventPage](): EventPage{Events: []Event{exampleEvent}, Next: cursor{Seq: 4711}.String()},
	reflect.TypeFor[Health](): Health{
		From: then, Until: then.Add(time.Hour),
		Hours: []Hour{{
			At: then, Began: 10, Finished: 9, Failed: 1,
			Methods: []MethodCount{{Method: "wechat", Began: 10, Finished: 9, Failed: 1}},
		}},
		WeChat: []WeChatCount{{At: then, Connector: "main", Errcode: "0", Count: 9}},
		Apps:   []AppCount{{App: "wiki", SignedIn: 9}},
		Problems: []Fault{{
			Source: "wechat:main", Code: "40164", Advice: "wechat.40164", FirstAt: then, LastAt: then, Count: 1,
			RequestID: "k3j5x7q2ma", Detail: "invalid ip, not in whitelist",
		}},
		Keys:    []SigningKey{{ID: "2026-11", Alg: "ES256", State: "active", CreatedAt: then, ActiveAt: then}},
		Waiting: 3,
	},
	reflect.TypeFor[DeliveryPage](): DeliveryPage{Deliveries: []Delivery{{
		ID: 17, Kind: "logout", Target: "wiki", UserID: exampleID, State: "failed", CreatedAt: then, Attempts: 8,
		LastError: "status 500",
	}}},
	reflect.TypeFor[Notifications](): Notifications{Names: []string{"chat"}},
}
