package wechattest

import "time"

// Call is one request that the server answered, with nothing secret in it: secrets are gone, codes and tokens are cut to their first characters.
type Call struct {
	ID       int           // 1, 2, 3 … in the order of the answers
	Time     time.Time     // when it came, by the server's clock
	Duration time.Duration // how long the answer took, in real time
	Method   string
	Endpoint string // the path
	Params   []Param
	AppID    string // the app that it was about; "" when unknown
	Person   string // the id of the person that it was about; "" when unknown
	Remote   string // the caller's IP address
	Status   int    // HTTP status; 0 when the connection was cut
	Errcode  int    // WeChat's error code, in an sns answer or on an error page; 0 = none
	Answer   string // the body of an sns answer, where a redirect leads, or which page was shown
	Fault    bool   // a [Fault] spoiled it
}

// Param is one parameter of a request, in the order sent.
type Param struct{ Name, Value string }
