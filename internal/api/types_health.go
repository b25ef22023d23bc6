package api

import "time"

// Health has the counts and problems of a period, and the signing keys.
type Health struct {
	From        time.Time     `json:"from" doc:"beginning of the period, at a full hour"`
	Until       time.Time     `json:"until" doc:"end of the period"`
	Hours       []Hour        `json:"hours" doc:"every hour of the period, the earliest first"`
	WeChat      []WeChatCount `json:"wechat" doc:"answers of WeChat, the earliest first"`
	Apps        []AppCount    `json:"apps" doc:"sign-ins at apps, the most used app first"`
	Problems    []Fault       `json:"problems" doc:"problems that occurred in the period, the latest first"`
	Keys        []SigningKey  `json:"keys" doc:"signing keys, the newest first"`
	Waiting     int           `json:"waiting" doc:"requests that wait, at most 100"`
	Undelivered int           `json:"undelivered" doc:"deliveries that were given up, at most 100"`
}

// Hour counts the sign-ins of an hour.
type Hour struct {
	At       time.Time     `json:"at" doc:"beginning of the hour"`
	Began    int64         `json:"began" doc:"sign-ins that began"`
	Finished int64         `json:"finished" doc:"sign-ins that succeeded"`
	Failed   int64         `json:"failed" doc:"sign-ins that failed"`
	Methods  []MethodCount `json:"methods" doc:"the same for each sign-in method that occurred"`
}

// MethodCount counts sign-ins by one method.
type MethodCount struct {
	Method   string `json:"method" doc:"sign-in method"`
	Began    int64  `json:"began" doc:"sign-ins that began"`
	Finished int64  `json:"finished" doc:"sign-ins that succeeded"`
	Failed   int64  `json:"failed" doc:"sign-ins that failed"`
}

// WeChatCount counts the answers of WeChat with one errcode in an hour.
type WeChatCount struct {
	At        time.Time `json:"at" doc:"beginning of the hour"`
	Connector string    `json:"connector" doc:"name in the configuration"`
	Errcode   string    `json:"errcode" doc:"0 = success"`
	Count     int64     `json:"count" doc:"number of answers"`
}

// AppCount counts the sign-ins at an app.
type AppCount struct {
	App      string `json:"app" doc:"id of the app"`
	SignedIn int64  `json:"signed_in" doc:"sign-ins that succeeded"`
	Refused  int64  `json:"refused" doc:"sign-ins that were refused"`
}

// Fault is a problem that an administrator can do something about.
type Fault struct {
	Source    string    `json:"source" doc:"wechat:CONNECTOR, app:APP, notify:NAME, certificate:SOURCE, proxy:ADDRESS or url:URL"`
	Code      string    `json:"code" doc:"errcode of WeChat, or a word"`
	Advice    string    `json:"advice" doc:"names the advice of the page and of the documents"`
	FirstAt   time.Time `json:"first_at" doc:"first occurrence"`
	LastAt    time.Time `json:"last_at" doc:"latest occurrence"`
	Count     int64     `json:"count" doc:"number of occurrences"`
	RequestID string    `json:"request_id" doc:"of the latest occurrence"`
	Detail    string    `json:"detail" doc:"one line"`
}

// SigningKey is a signing key, without its secret.
type SigningKey struct {
	ID        string    `json:"id" doc:"the kid of tokens"`
	Alg       string    `json:"alg" doc:"algorithm"`
	State     string    `json:"state" enum:"next,active,replaced,expired" doc:"whether it signs"`
	CreatedAt time.Time `json:"created_at" doc:"when it was made"`
	ActiveAt  time.Time `json:"active_at,omitzero" doc:"when it begins to sign"`
	ExpiresAt time.Time `json:"expires_at,omitzero" doc:"when it is deleted; missing = not replaced yet"`
}

// Notifications has the entries of the notify list.
type Notifications struct {
	Names []string `json:"names" doc:"names in the configuration; the addresses are secrets"`
}
