package limit

import (
	"fmt"
	"strconv"
	"time"
)

// Rate allows Burst events at once and PerSecond more each second afterwards.
type Rate struct {
	Name      string // in the documents, and the label "limit" of the metric weigate_limited_total
	PerSecond float64
	Burst     int
}

// Count bounds how many of something exist at a time.
type Count struct {
	Name string
	Max  int
}

// Size bounds a size in bytes.
type Size struct {
	Name  string
	Bytes int
}

// Time bounds a duration.
type Time struct {
	Name     string
	Duration time.Duration
}

// Row is a bound as the documents list it.
type Row struct {
	Name  string
	Value string // such as "100/s, burst 2000", "20000", "16 kB", "5s"
	Key   string // the key of the configuration that changes it; "" = fixed
}

// The bounds of the values that a configuration can change are the defaults.
var (
	// Requests of anonymous clients to routes that begin or continue a sign-in. They stop floods,
	// not users: Chinese carriers put tens of thousands of phones behind one IPv4 address, so an
	// address may send many requests, and a browser far more than a user would.
	SignInPerAddress = Rate{Name: "sign_in_address", PerSecond: 100, Burst: 2000}
	SignInPerNetwork = Rate{Name: "sign_in_network", PerSecond: 400, Burst: 8000}
	SignInPerBrowser = Rate{Name: "sign_in_browser", PerSecond: 5, Burst: 100}

	// Requests that add rows for signed-in users. An app that redirects its users here at each page
	// load stays far below.
	SignedInPerAddress = Rate{Name: "signed_in_address", PerSecond: 300, Burst: 6000}
	SignedInPerNetwork = Rate{Name: "signed_in_network", PerSecond: 1200, Burst: 24000}
	SignedInPerBrowser = Rate{Name: "signed_in_browser", PerSecond: 10, Burst: 300}
)

// Table returns all bounds, in the order of the documents.
func Table() []Row {
	var rows []Row
	for _, r := range []Rate{
		SignInPerAddress, SignInPerNetwork, SignInPerBrowser,
		SignedInPerAddress, SignedInPerNetwork, SignedInPerBrowser,
	} {
		rows = append(rows, Row{Name: r.Name, Value: r.String()})
	}
	return rows
}

// String returns the rate as the documents show it.
func (r Rate) String() string {
	return fmt.Sprintf("%s/s, burst %d", strconv.FormatFloat(r.PerSecond, 'f', -1, 64), r.Burst)
}
