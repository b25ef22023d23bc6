package api

import "time"

// Invitation is a link that approves users, makes a user an administrator, or moves a user to
// another WeChat account.
type Invitation struct {
	ID        string    `json:"id" doc:"not a secret"`
	Kind      string    `json:"kind" enum:"user,admin,move" doc:"what the link does"`
	UserID    string    `json:"user_id" doc:"whom a link of kind move or admin is for; empty = nobody in particular"`
	Apps      []string  `json:"apps" doc:"apps that it opens; empty = all apps"`
	Groups    []string  `json:"groups" doc:"groups that its users get"`
	Note      string    `json:"note" doc:"for administrators"`
	CreatedBy string    `json:"created_by" doc:"user id, \"command\", or \"key:\" and the id of an API key"`
	CreatedAt time.Time `json:"created_at" doc:"when it was made"`
	ExpiresAt time.Time `json:"expires_at" doc:"when it stops working"`
	MaxUses   int       `json:"max_uses" doc:"how many users may use it; 0 = no limit"`
	Uses      int       `json:"uses" doc:"how many users have used it"`
	RevokedAt time.Time `json:"revoked_at,omitzero" doc:"missing = not revoked"`
}

// InvitationPage is a page of invitations.
type InvitationPage struct {
	Invitations []Invitation `json:"invitations" doc:"the newest first, usable or not"`
	Next        string       `json:"next,omitempty" doc:"send it as the parameter after for the next page; missing = last page"`
}

// NewInvitation describes an invitation to make.
type NewInvitation struct {
	Kind      string   `json:"kind" enum:"user,move" doc:"user: approves its users; move: moves user_id to another WeChat account"`
	UserID    string   `json:"user_id,omitempty" doc:"with kind move: the user"`
	Apps      []string `json:"apps,omitempty" doc:"ids of the apps that it opens; missing = all apps"`
	Groups    []string `json:"groups,omitempty" max:"64" doc:"groups that its users get in addition"`
	Note      string   `json:"note,omitempty" max:"1000" doc:"whom the link is for"`
	ExpiresIn int      `json:"expires_in,omitempty" doc:"seconds from now; missing = 7 days for user, 1 hour for move"`
	MaxUses   int      `json:"max_uses,omitempty" doc:"how many users may use it; 0 or missing = no limit"`
}

// CreatedInvitation is an invitation with its link.
type CreatedInvitation struct {
	Invitation Invitation `json:"invitation" doc:"the invitation"`
	Link       string     `json:"link" doc:"the only answer that contains it: the gateway stores a hash"`
}

// InvitationUse is the use of an invitation by a user.
type InvitationUse struct {
	UserID string    `json:"user_id" doc:"who used it"`
	At     time.Time `json:"at" doc:"when"`
}

// InvitationDetails is an invitation with its uses.
type InvitationDetails struct {
	Invitation Invitation      `json:"invitation" doc:"the invitation"`
	Uses       []InvitationUse `json:"uses" doc:"a page of the uses, the latest first"`
	Next       string          `json:"next,omitempty" doc:"send it as the parameter after for the next page; missing = last page"`
}

// App is an app of the configuration.
type App struct {
	ID          string    `json:"id" doc:"in tokens and events"`
	Kind        string    `json:"kind" enum:"oidc,forward_auth,relay" doc:"protocol"`
	Name        string    `json:"name" doc:"for display"`
	Access      string    `json:"access" enum:"signed_in,approved,listed" doc:"access rule"`
	Methods     []string  `json:"methods" doc:"allowed sign-in methods; empty = all"`
	HomeURL     string    `json:"home_url" doc:"where the app opens; empty = not in the portal"`
	Description string    `json:"description" doc:"for the portal"`
	Hidden      bool      `json:"hidden" doc:"not in the portal"`
	Logout      bool      `json:"logout" doc:"whether the app has back-channel logout"`
	Settings    []Setting `json:"settings" doc:"what is configured, without secrets"`
}

// Setting is a setting of an app.
type Setting struct {
	Key   string `json:"key" doc:"key of the configuration"`
	Value string `json:"value" doc:"value, as text"`
}

// Apps has all apps.
type Apps struct {
	Apps []App `json:"apps" doc:"in the order of the configuration"`
}

// AppDetails is an app with its latest events.
type AppDetails struct {
	App      App     `json:"app" doc:"the app"`
	Snippet  string  `json:"snippet" doc:"configuration for the other side, without secrets"`
	Events   []Event `json:"events" doc:"the newest events of the app"`
	Failures []Event `json:"failures" doc:"the newest events whose outcome is not ok"`
}

// Event is an entry of the audit log.
type Event struct {
	ID        int64     `json:"id" doc:"ascending"`
	At        time.Time `json:"at" doc:"when"`
	Kind      string    `json:"kind" doc:"what happened"`
	UserID    string    `json:"user_id" doc:"to whom; the id at the time of the event"`
	App       string    `json:"app" doc:"id of the app"`
	Connector string    `json:"connector" doc:"name in the configuration"`
	Method    string    `json:"method" doc:"sign-in method"`
	Outcome   string    `json:"outcome" doc:"ok, or one word"`
	RequestID string    `json:"request_id" doc:"of the request that caused it"`
	Detail    string    `json:"detail" doc:"one sentence for people; it may change"`
	Actor     string    `json:"actor" doc:"user id, \"command\", or \"key:\" and the id; empty = the user, or nobody"`
	Address   string    `json:"address" doc:"IP address without its last part"`
}

// EventPage is a page of events.
type EventPage struct {
	Events []Event `json:"events" doc:"the newest first"`
	Next   string  `json:"next,omitempty" doc:"send it as the parameter after for the next page; missing = last page"`
	Cut    bool    `json:"cut,omitempty" doc:"the search stopped early: next continues it"`
}

// Delivery is a message that the gateway sends to another server.
type Delivery struct {
	ID        int64     `json:"id" doc:"ascending"`
	Kind      string    `json:"kind" enum:"logout,notification" doc:"what is sent"`
	Target    string    `json:"target" doc:"id of the app, or name in the notify list"`
	UserID    string    `json:"user_id" doc:"whom it is about; empty = nobody"`
	State     string    `json:"state" enum:"waiting,sent,failed" doc:"failed = given up"`
	CreatedAt time.Time `json:"created_at" doc:"when it became due first"`
	NextAt    time.Time `json:"next_at,omitzero" doc:"while waiting: when it is sent"`
	Attempts  int       `json:"attempts" doc:"number of attempts"`
	LastError string    `json:"last_error" doc:"of the last attempt"`
}

// DeliveryPage is a page of deliveries.
type DeliveryPage struct {
	Deliveries []Delivery `json:"deliveries" doc:"the newest first"`
	Next       string     `json:"next,omitempty" doc:"send it as the parameter after for the next page; missing = last page"`
}
