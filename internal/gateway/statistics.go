package gateway

import (
	"context"
	"time"
)

// Statistic is a count of something in one hour. Processes count in memory and add their counts to
// the store a few times a minute. So a sign-in itself writes no counts.
type Statistic struct {
	Hour  time.Time // the beginning of the hour, UTC
	Name  string    // what is counted: one of the names below
	Label string    // depends on Name, such as "main 40164" (connector and errcode)
	Count int64
}

// Names of statistics.
const (
	StatSignInBegan    = "sign_in_began"    // Label: method
	StatSignInFinished = "sign_in_finished" // Label: method
	StatSignInFailed   = "sign_in_failed"   // Label: method and outcome, separated by a space
	StatWeChat         = "wechat"           // Label: connector and errcode, separated by a space; errcode 0 = success
	StatAppSignIn      = "app_sign_in"      // Label: app
	StatAppRefused     = "app_refused"      // Label: app and outcome, separated by a space
)

// Problem is a fault that an administrator can do something about, such as an errcode of WeChat.
// There is one row for each Source and Code: the latest occurrence.
type Problem struct {
	Source    string // "wechat:CONNECTOR", "app:APP", "notify:NAME", "certificate:SOURCE", "proxy:ADDRESS", "url:URL"
	Code      string // errcode of WeChat, or a word such as invalid_client
	FirstAt   time.Time
	LastAt    time.Time
	Count     int64
	RequestID string // of the latest occurrence
	Detail    string // one line for an administrator, without secrets, codes and complete openids
}

// Statistics stores counts and problems.
type Statistics interface {
	// AddStatistics adds counts and problems, all or none. For a problem that is stored already, it
	// keeps FirstAt, adds Count, and takes LastAt, RequestID and Detail of the later occurrence.
	AddStatistics(ctx context.Context, counts []Statistic, problems []Problem) error

	// Statistics returns the counts of hours in [from, to), sorted by hour, name and label. A sweep
	// deletes counts after 400 days.
	Statistics(ctx context.Context, from, to time.Time) ([]Statistic, error)

	// Problems returns the problems with LastAt not before since, the latest first, at most 100. A
	// sweep deletes problems that have not occurred for 30 days.
	Problems(ctx context.Context, since time.Time) ([]Problem, error)
}
