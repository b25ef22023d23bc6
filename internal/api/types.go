package api

import "time"

// The types below are the bodies of requests and responses. A json tag names the field, omitempty
// and omitzero mark a field that may be missing. The other tags are for the OpenAPI document: doc
// describes the field, enum lists its values, max is the largest number of characters or rows.

// User is a user, as administrators see it.
type User struct {
	ID          string    `json:"id" doc:"never given to another user"`
	Nickname    string    `json:"nickname" doc:"from WeChat, where anyone can choose any name; it identifies nobody"`
	AvatarURL   string    `json:"avatar_url" doc:"address at WeChat; empty = none"`
	Locale      string    `json:"locale" doc:"language tag such as zh-CN; empty = unknown"`
	Status      string    `json:"status" enum:"active,pending,blocked" doc:"a blocked user can use nothing"`
	Admin       bool      `json:"admin" doc:"whether the user is an administrator"`
	Groups      []string  `json:"groups" doc:"sorted"`
	RealName    string    `json:"real_name" doc:"given by the user while waiting, or by an administrator"`
	Note        string    `json:"note" doc:"by administrators; the user never sees it"`
	AllowedApps []string  `json:"allowed_apps" doc:"apps that the user may use even while pending"`
	RefusedApps []string  `json:"refused_apps" doc:"apps that the user must not use"`
	OldID       string    `json:"old_id" doc:"id in the table that was imported; empty = none"`
	CreatedAt   time.Time `json:"created_at" doc:"first sign-in, or import"`
	UpdatedAt   time.Time `json:"updated_at" doc:"last change; the ETag of the user"`
}

// UserPage is a page of users.
type UserPage struct {
	Users []User `json:"users" doc:"the newest first"`
	Next  string `json:"next,omitempty" doc:"send it as the parameter after for the next page; missing = last page"`
	Cut   bool   `json:"cut,omitempty" doc:"the search stopped early: next continues it"`
}

// Identity is an openid of a user.
type Identity struct {
	Connector string    `json:"connector" doc:"name in the configuration"`
	AppID     string    `json:"appid" doc:"appid at WeChat"`
	OpenID    string    `json:"openid" doc:"the user's id at this appid"`
	UnionID   string    `json:"unionid" doc:"the user's id in the Open Platform account; empty = unknown"`
	CreatedAt time.Time `json:"created_at" doc:"first sign-in"`
	SeenAt    time.Time `json:"seen_at" doc:"last sign-in"`
}

// Session is a browser in which a user is signed in.
type Session struct {
	ID        string    `json:"id" doc:"names the session in endSession; it is not the session id of the cookie"`
	Connector string    `json:"connector" doc:"of the sign-in"`
	Browser   string    `json:"browser" doc:"name of the browser; empty = unknown"`
	Address   string    `json:"address" doc:"IP address without its last part; empty = unknown"`
	Method    string    `json:"method" doc:"sign-in method: wechat, scan, website, or link"`
	AuthTime  time.Time `json:"auth_time" doc:"when WeChat last authenticated the user"`
	CreatedAt time.Time `json:"created_at" doc:"sign-in"`
	SeenAt    time.Time `json:"seen_at" doc:"last use, accurate to about a minute"`
	ExpiresAt time.Time `json:"expires_at" doc:"end without further use"`
}

// AccessRequest is the wish of a user to use an app.
type AccessRequest struct {
	App         string    `json:"app" doc:"id of the app"`
	Method      string    `json:"method" doc:"sign-in method of the user's session"`
	State       string    `json:"state" enum:"waiting,approved,refused" doc:"the decision"`
	Reason      string    `json:"reason" doc:"of a refusal, for the user to read"`
	RequestedAt time.Time `json:"requested_at" doc:"when the user asked first"`
	DecidedAt   time.Time `json:"decided_at,omitzero" doc:"missing = waiting"`
	DecidedBy   string    `json:"decided_by" doc:"user id, \"command\", or \"key:\" and the id of an API key"`
}

// Subject is the sub claim that an app receives for a user.
type Subject struct {
	App       string    `json:"app" doc:"id of the app"`
	Subject   string    `json:"subject" doc:"the sub claim"`
	CreatedAt time.Time `json:"created_at" doc:"when the app received it first"`
}

// AppSession is a session of a user at an app with back-channel logout.
type AppSession struct {
	App       string    `json:"app" doc:"id of the app"`
	SessionID string    `json:"session_id" doc:"the sid claim"`
	Subject   string    `json:"subject" doc:"the sub claim"`
	CreatedAt time.Time `json:"created_at" doc:"sign-in at the app"`
}

// UserDetails is a user with everything that the gateway knows about the user.
type UserDetails struct {
	User           User            `json:"user" doc:"the user"`
	Identities     []Identity      `json:"identities" doc:"the oldest first"`
	Sessions       []Session       `json:"sessions" doc:"the last used first"`
	AccessRequests []AccessRequest `json:"access_requests" doc:"the newest first"`
	Subjects       []Subject       `json:"subjects" doc:"sorted by app"`
	AppSessions    []AppSession    `json:"app_sessions" doc:"apps that are told when the user signs out"`
	JoinedIDs      []string        `json:"joined_ids" doc:"ids of users who were joined into this one; events keep them"`
}

// UserEdit is a change of a user. Missing fields stay as they are.
type UserEdit struct {
	RealName    *string   `json:"real_name,omitempty" max:"100" doc:"empty = remove"`
	Note        *string   `json:"note,omitempty" max:"1000" doc:"empty = remove"`
	Groups      *[]string `json:"groups,omitempty" max:"64" doc:"all groups of the user"`
	AllowedApps *[]string `json:"allowed_apps,omitempty" doc:"ids of all apps that the user may use even while pending"`
	RefusedApps *[]string `json:"refused_apps,omitempty" doc:"ids of all apps that the user must not use"`
}

// AdminEdit makes a user an administrator, or takes the rights away.
type AdminEdit struct {
	Admin bool `json:"admin" doc:"whether the user is an administrator"`
}

// Users names the users of an operation on a list.
type Users struct {
	Users []string `json:"users" max:"500" doc:"ids of users, at least one"`
}

// Block names users to block.
type Block struct {
	Users  []string `json:"users" max:"500" doc:"ids of users, at least one"`
	Reason string   `json:"reason,omitempty" max:"500" doc:"for the events; the users do not see it"`
}

// Approval names users to approve.
type Approval struct {
	Users  []string `json:"users" max:"500" doc:"ids of users, at least one"`
	Apps   []string `json:"apps,omitempty" doc:"ids of the apps to open; missing = all apps: the users become active"`
	Groups []string `json:"groups,omitempty" max:"64" doc:"groups that the users get in addition"`
}

// Refusal names users to refuse.
type Refusal struct {
	Users  []string `json:"users" max:"500" doc:"ids of users, at least one"`
	Apps   []string `json:"apps,omitempty" doc:"ids of the apps to refuse; missing = every app that the user waits for"`
	Reason string   `json:"reason,omitempty" max:"500" doc:"for the users to read"`
}

// Outcome is the result of an operation on a list for one row.
type Outcome struct {
	UserID string `json:"user_id" doc:"the id as it was sent"`
	Done   bool   `json:"done" doc:"false = the row was left as it was; code and detail say why"`
	Status string `json:"status,omitempty" doc:"status of the user afterwards"`
	Code   string `json:"code,omitempty" doc:"as in a problem"`
	Detail string `json:"detail,omitempty" doc:"why the row was left"`
}

// Outcomes is the result of an operation on a list. The rows that can be done are done, also when
// others are left.
type Outcomes struct {
	Done     int       `json:"done" doc:"number of rows that were done"`
	Left     int       `json:"left" doc:"number of rows that were left"`
	Outcomes []Outcome `json:"outcomes" doc:"one for each row, in the order of the request"`
}

// Merge names the user who is joined into the user of the path.
type Merge struct {
	Younger string `json:"younger" doc:"id of the user whose identities move to the user in the path, and whose record ends"`
}

// Unlink names the identity to remove.
type Unlink struct {
	AppID  string `json:"appid" doc:"appid at WeChat"`
	OpenID string `json:"openid" doc:"the user's id at this appid"`
}

// WaitingUser is a user who waits for approval.
type WaitingUser struct {
	User        User      `json:"user" doc:"who waits"`
	App         string    `json:"app" doc:"id of the app"`
	Method      string    `json:"method" doc:"sign-in method of the user's session"`
	RequestedAt time.Time `json:"requested_at" doc:"when the user asked first"`
}

// WaitingPage is a page of users who wait.
type WaitingPage struct {
	Waiting []WaitingUser `json:"waiting" doc:"the longest waiting first; a user is there once for each app"`
	Next    string        `json:"next,omitempty" doc:"send it as the parameter after for the next page; missing = last page"`
}

// WaitingCount is the number of requests that wait.
type WaitingCount struct {
	Count int `json:"count" doc:"number of requests that wait"`
}

// Key is the API key of a request.
type Key struct {
	ID        string    `json:"id" doc:"named in events as \"key:\" and the id"`
	Name      string    `json:"name" doc:"what it is for"`
	Scopes    []string  `json:"scopes" doc:"what it may do"`
	CreatedAt time.Time `json:"created_at" doc:"when it was made"`
	ExpiresAt time.Time `json:"expires_at,omitzero" doc:"missing = never"`
}
