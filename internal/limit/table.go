package limit

import (
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"
)

// Rate allows Burst events at once and PerSecond more each second afterwards.
type Rate struct {
	Name      string // in the documents, and in the label "limit" of the metric weigate_limited_total
	PerSecond float64
	Burst     int
}

// Count bounds the number of things that exist at a time, such as connections.
type Count struct {
	Name string // as in Rate
	Max  int    // the greatest number that is allowed
}

// Size bounds a size in bytes.
type Size struct {
	Name  string // as in Rate
	Bytes int    // the greatest size that is allowed
}

// Time bounds a duration.
type Time struct {
	Name     string        // as in Rate
	Duration time.Duration // the longest that is allowed
}

// Row is a bound as the documents list it: one line of their tables.
type Row struct {
	Name  string // as in Rate
	Value string // such as "100/s, burst 2000", "20000", "16 kB", "5s"
	Key   string // the configuration key that changes the bound; "" = fixed
}

// Rates of requests. [Address] and [Network] define what counts as one address and as one network.
// A browser is counted by its session.
var (
	// Requests to the routes that begin, continue or end a sign-in. Anybody may send them. These
	// rates stop floods and never normal use. One address may send many requests, because Chinese
	// carriers put tens of thousands of phones behind one IPv4 address. One browser may send far
	// more than a user needs.
	SignInPerAddress = Rate{Name: "sign_in_address", PerSecond: 100, Burst: 2000}
	SignInPerNetwork = Rate{Name: "sign_in_network", PerSecond: 400, Burst: 8000}
	SignInPerBrowser = Rate{Name: "sign_in_browser", PerSecond: 5, Burst: 100}

	// Requests to the routes that signed-in users request often, such as the authorize endpoint of
	// OpenID Connect. Many of these requests add a row to the store. Some apps redirect a user to
	// the gateway at each page load. Their requests stay far below these rates.
	SignedInPerAddress = Rate{Name: "signed_in_address", PerSecond: 300, Burst: 6000}
	SignedInPerNetwork = Rate{Name: "signed_in_network", PerSecond: 1200, Burst: 24000}
	SignedInPerBrowser = Rate{Name: "signed_in_browser", PerSecond: 10, Burst: 300}

	// Requests that the servers of apps send, such as for tokens. One address may be the server of
	// an app with very many users.
	AppPerAddress = Rate{Name: "app_address", PerSecond: 500, Burst: 10000}
	AppPerNetwork = Rate{Name: "app_network", PerSecond: 2000, Burst: 40000}

	// Subrequests of forward auth. A reverse proxy sends one for each request to a site that the
	// gateway protects, so one page with its pictures causes dozens. A subrequest counts for the
	// user's address, which the proxy reports, and not for the proxy's address.
	VerifyPerAddress = Rate{Name: "verify_address", PerSecond: 1000, Burst: 20000}
	VerifyPerNetwork = Rate{Name: "verify_network", PerSecond: 4000, Burst: 80000}

	// Requests to all other routes, which serve fixed texts and pages and cost little.
	OtherPerAddress = Rate{Name: "other_address", PerSecond: 100, Burst: 2000}
	OtherPerNetwork = Rate{Name: "other_network", PerSecond: 400, Burst: 8000}

	// Requests to the HTTP API with one key. A program that blocks the users of a large company in
	// a night stays below this rate. A program in an endless loop does not disturb the sign-ins.
	APIPerKey = Rate{Name: "api_key", PerSecond: 20, Burst: 400}

	// Wrong secrets from one address. Each app has a count of its own. All unknown apps together have
	// one count, and all wrong API keys together have another one.
	WrongSecrets = Rate{Name: "wrong_secrets", PerSecond: 1.0 / 3, Burst: 20}

	// Wrong secrets of invitations from one address. Nobody guesses a secret, because it has 130
	// random bits. The rate stops floods of guesses before they reach the store.
	WrongInvitations = Rate{Name: "wrong_invitations", PerSecond: 1.0 / 6, Burst: 20}
)

// Bounds of the HTTP server.
var (
	// Connections of the main listener. When the number is reached, a new connection replaces an
	// idle connection.
	Connections = Count{Name: "connections", Max: 4096}
	// Connections of the listener for metrics, which few programs use.
	MetricsConnections = Count{Name: "metrics_connections", Max: 64}
	// Connections of the listener for plain HTTP. It answers the challenges of certificate
	// authorities, and redirects all other requests to https.
	PlainConnections = Count{Name: "plain_connections", Max: 256}
	// Requests at a time on one connection with HTTP/2, which the gateway serves if it has TLS.
	Streams = Count{Name: "http2_streams", Max: 100}

	// The address of a request: its path and query. nginx and many other servers accept request
	// lines of 8 kB.
	RequestAddress = Size{Name: "request_address", Bytes: 8 << 10}
	// The request line and all headers of a request. A subrequest of forward auth has the address
	// of the original request in a header, beside the visitor's cookies and Referer.
	Headers = Size{Name: "headers", Bytes: 24 << 10}
	// Cookies of the gateway in one request. A browser has about ten.
	Cookies = Count{Name: "cookies", Max: 50}
	// Request bodies. Forms and token requests are far shorter.
	RequestBody = Size{Name: "request_body", Bytes: 32 << 10}

	// How long a client may take to send the headers of a request.
	HeaderTime = Time{Name: "header_time", Duration: 5 * time.Second}
	// How long a client may take to send a request with its body.
	RequestTime = Time{Name: "request_time", Duration: 30 * time.Second}
	// How long the response may take, with the time that the client needs to receive it.
	ResponseTime = Time{Name: "response_time", Duration: time.Minute}
	// How long a connection stays open without a request. Proxies keep idle connections for a
	// shorter time: nginx 60 s, Traefik 90 s, Caddy 2 minutes, by default. So the proxy closes a
	// connection first, and never sends a request on a connection that the gateway is closing.
	IdleTime = Time{Name: "idle_time", Duration: 130 * time.Second}
)

// Bounds of the log.
var (
	// The path of a request in the log. The rest of a longer path is cut off.
	LoggedPath = Size{Name: "logged_path", Bytes: 200}
	// A value in the log that is not a path. The rest of a longer value is cut off.
	LoggedValue = Size{Name: "logged_value", Bytes: 1 << 10}

	// Log lines with the same message. Beyond this rate, LogLinesPerCause applies.
	LogLines = Rate{Name: "log_lines", PerSecond: 10, Burst: 100}
	// Log lines with the same message and the same cause. The cause is the values of the attributes
	// app, reason and outcome. Lines beyond this rate are dropped and counted.
	LogLinesPerCause = Rate{Name: "log_lines_cause", PerSecond: 1, Burst: 10}
)

// Rates of the codes that the gateway sends to WeChat. Anybody can send a made-up code to the
// gateway, and only WeChat can refuse it. Normal users cause few refused codes: a callback may be
// repeated, or opened late. Two rules restrict a network with refused codes:
//
//   - Beyond RecentRefusals, the codes of the network are sent only while [UnreservedExchanges] is
//     not exhausted. UnreservedExchanges is half of [Exchanges], the rate of all codes.
//   - Beyond RefusedCodesPerNetwork, the codes of the network are sent only while RefusedCodes is
//     not exhausted.
var (
	// Refused codes of one network. The rate is exhausted for a minute after one refused code.
	RecentRefusals = Rate{Name: "recent_refusals_network", PerSecond: 1.0 / 60, Burst: 1}
	// Refused codes of one network, for the second rule.
	RefusedCodesPerNetwork = Rate{Name: "refused_codes_network", PerSecond: 0.2, Burst: 20}
	// Refused codes of all networks together.
	RefusedCodes = Rate{Name: "refused_codes", PerSecond: 10, Burst: 500}
)

// WeChatCalls is the default of the key limits.wechat_calls: how many codes one process sends to
// WeChat in a minute, for each connector (an appid at WeChat). WeChat allows 50,000 for each appid
// (WeChat's documentation, api_snsaccesstoken).
const WeChatCalls = 20_000

// Exchanges returns the rate at which codes are sent to WeChat. perMinute is limits.wechat_calls.
// The burst is the number of codes for ten seconds.
func Exchanges(perMinute int) Rate {
	return Rate{Name: "wechat_calls", PerSecond: float64(perMinute) / 60, Burst: max(1, perMinute/6)}
}

// UnreservedExchanges returns the rate for the codes of networks beyond RecentRefusals. It is half
// of Exchanges. The other half is reserved for the other networks.
func UnreservedExchanges(perMinute int) Rate {
	return Rate{Name: "wechat_calls_unreserved", PerSecond: float64(perMinute) / 120, Burst: max(1, perMinute/12)}
}

// Bounds of sign-ins.
var (
	// Rows of sign-ins that failed. When there are more, the oldest are deleted.
	FailedAttempts = Count{Name: "failed_attempts", Max: 10_000}

	// Users of one network that sign in for the first time. Each of them must be a real user of WeChat,
	// so made-up codes do not count.
	NewUsersPerNetwork = Rate{Name: "new_users_network", PerSecond: 2, Burst: 2000}

	// WrongNumberPerUser bounds the wrong numbers that a user types after scanning a code. An
	// attacker may send a user the QR code of the attacker's screen. The user does not see the
	// number on that screen, and guesses it right once in ninety times.
	WrongNumberPerUser = Rate{Name: "wrong_number_user", PerSecond: 0.1 / 60, Burst: 3}

	// Tickets are the rows of QR codes for sign-in by scan, until a phone has answered. The bounds
	// are far above the number of users who sign in at the same time, in total and in one office. A
	// new ticket beyond a bound replaces older tickets.
	Tickets           = Count{Name: "tickets", Max: 20_000}
	TicketsPerNetwork = Count{Name: "tickets_network", Max: 2000}

	// ChatSignIns are the sign-ins in progress in the chat of one official account, for each
	// sign-in method. A person answers such a sign-in: they send its number to the account, or scan
	// its QR code. The bound limits the chance that a guessed number is somebody's: 5,000 of
	// 1,000,000. A new sign-in beyond a bound replaces older ones that nobody has answered.
	ChatSignIns           = Count{Name: "chat_sign_ins", Max: 5000}
	ChatSignInsPerNetwork = Count{Name: "chat_sign_ins_network", Max: 500}

	// Wrong numbers that one person sends to an account. Beyond this rate, the account does not
	// reply to the numbers of this person, even to a right one.
	WrongChatNumbers = Rate{Name: "wrong_chat_numbers", PerSecond: 5.0 / 600, Burst: 5}

	// Numbers and scans of one person, right or wrong. A sign-in that a person has answered is
	// never replaced, so a person who answers many of them would fill ChatSignIns.
	ChatNumbers = Rate{Name: "chat_numbers", PerSecond: 20.0 / 600, Burst: 20}

	// QR codes that WeChat makes for the sign-in method "follow": those of one account, and those
	// for one network. WeChat makes at most 100,000 a day for an account.
	ChatQRCodes           = Rate{Name: "chat_qr_codes", PerSecond: 1, Burst: 5000}
	ChatQRCodesPerNetwork = Rate{Name: "chat_qr_codes_network", PerSecond: 0.5, Burst: 300}
)

// Bounds of saved requests. If the address of a request is too long for a cookie, the gateway saves
// the address in a row, while the user signs in. With RequestAddress, all rows together need 80 MB
// at most. A new row beyond a bound replaces older rows.
var (
	SavedRequests           = Count{Name: "saved_requests", Max: 10_000}
	SavedRequestsPerNetwork = Count{Name: "saved_requests_network", Max: 1000}
	SavedRequestsPerBrowser = Count{Name: "saved_requests_browser", Max: 20}

	// Requests of one network that are saved.
	NewSavedRequestsPerNetwork = Rate{Name: "new_saved_requests_network", PerSecond: 20, Burst: 400}
	// How long a request is kept after it was saved or used.
	SavedRequestTime = Time{Name: "saved_request_time", Duration: time.Hour}
)

// Bounds of the administration, the HTTP API, and the page with a user's data.
var (
	// How old an administrator's sign-in may be for a serious change, such as making an
	// administrator.
	AdminSignInAge = Time{Name: "admin_sign_in_age", Duration: 10 * time.Minute}
	// How many rows of a list one action on a page changes.
	SelectedRows = Count{Name: "selected_rows", Max: 200}
	// How many rows an export from a page has.
	ExportedRows = Count{Name: "exported_rows", Max: 200_000}

	// How many users one operation of the HTTP API on a list of users accepts.
	APIUsers = Count{Name: "api_users", Max: 500}
	// How many rows a page of a list in the HTTP API has.
	APIPage = Count{Name: "api_page", Max: 200}
	// How many rows an export by the HTTP API has.
	APIExport = Count{Name: "api_export", Max: 1_000_000}

	// Events in the file that a user downloads with their data.
	DownloadedEvents = Count{Name: "downloaded_events", Max: 5000}
)

// Bounds of the requests that the gateway sends to other servers, and of what it counts.
var (
	// The time of one request to a webhook or an app.
	OutgoingTime = Time{Name: "outgoing_time", Duration: 10 * time.Second}
	// The part of a response that the gateway reads. It is the bound of the headers, and also of
	// the body.
	OutgoingResponse = Size{Name: "outgoing_response", Bytes: 16 << 10}
	// The time of one request with a logout token.
	LogoutTime = Time{Name: "logout_time", Duration: 5 * time.Second}

	// Notices to one receiver. A notice informs administrators, for example of a user who waits for
	// approval. A receiver is a webhook, or a robot in a chat group.
	NoticesPerReceiver = Rate{Name: "notices_receiver", PerSecond: 1, Burst: 300}
	// Messages that one robot posts in its chat group: at most 15 in any minute. The platforms
	// allow about 20.
	MessagesPerRobot = Rate{Name: "messages_robot", PerSecond: 10.0 / 60, Burst: 5}
	// Notices in memory, until they are stored.
	NoticesInMemory = Count{Name: "notices_memory", Max: 1000}

	// Entries in the memory of package statistics until its next write to the store. The bound
	// applies to the entries of counts, and also to the entries of problems.
	StatisticsInMemory = Count{Name: "statistics_memory", Max: 5000}

	// Reverse proxies whose browsers the gateway counts during an hour. With this count, it finds
	// the proxies that hide the addresses of their clients.
	HidingProxies = Count{Name: "hiding_proxies", Max: 8}
)

// Table returns all bounds, in the order of the documents.
func Table() []Row {
	var rows []Row
	add := func(name string, value fmt.Stringer) { rows = append(rows, Row{Name: name, Value: value.String()}) }
	for _, r := range []Rate{
		SignInPerAddress, SignInPerNetwork, SignInPerBrowser,
		SignedInPerAddress, SignedInPerNetwork, SignedInPerBrowser,
		AppPerAddress, AppPerNetwork, VerifyPerAddress, VerifyPerNetwork, OtherPerAddress, OtherPerNetwork,
		APIPerKey, WrongSecrets, WrongInvitations, RecentRefusals, RefusedCodesPerNetwork, RefusedCodes,
		NewUsersPerNetwork,
		WrongNumberPerUser, WrongChatNumbers, ChatNumbers, ChatQRCodes, ChatQRCodesPerNetwork,
		NewSavedRequestsPerNetwork,
		LogLines, LogLinesPerCause,
		NoticesPerReceiver, MessagesPerRobot,
	} {
		add(r.Name, r)
	}
	for _, c := range []Count{
		Connections, MetricsConnections, PlainConnections, Streams, Cookies, FailedAttempts, Tickets, TicketsPerNetwork,
		ChatSignIns, ChatSignInsPerNetwork, SavedRequests, SavedRequestsPerNetwork, SavedRequestsPerBrowser,
		SelectedRows, ExportedRows,
		DownloadedEvents,
		APIUsers, APIPage, APIExport, NoticesInMemory, StatisticsInMemory, HidingProxies,
	} {
		add(c.Name, c)
	}
	for _, s := range []Size{Headers, RequestAddress, RequestBody, LoggedPath, LoggedValue, OutgoingResponse} {
		add(s.Name, s)
	}
	for _, d := range []Time{
		HeaderTime, RequestTime, ResponseTime, IdleTime, SavedRequestTime, OutgoingTime, LogoutTime, AdminSignInAge,
	} {
		add(d.Name, d)
	}
	keys := map[string]string{Connections.Name: "limits.connections"}
	for i := range rows {
		rows[i].Key = keys[rows[i].Name]
	}
	const calls = "limits.wechat_calls"
	rows = append(rows,
		Row{Name: Exchanges(WeChatCalls).Name, Value: strconv.Itoa(WeChatCalls) + "/min", Key: calls},
		Row{Name: UnreservedExchanges(WeChatCalls).Name, Value: strconv.Itoa(WeChatCalls/2) + "/min", Key: calls})
	return rows
}

// String returns the rate as the documents show it. A rate below one a second is shown for a
// minute.
func (r Rate) String() string {
	perUnit, unit := r.PerSecond, "s"
	if perUnit < 1 {
		perUnit, unit = perUnit*60, "min"
	}
	return fmt.Sprintf("%s/%s, burst %d", strconv.FormatFloat(perUnit, 'f', -1, 64), unit, r.Burst)
}

// String returns the size as the documents show it.
func (s Size) String() string {
	if s.Bytes >= 1<<10 && s.Bytes%(1<<10) == 0 {
		return fmt.Sprintf("%d kB", s.Bytes>>10)
	}
	return fmt.Sprintf("%d bytes", s.Bytes)
}

// Cut returns text if it fits, and otherwise its beginning and "…".
func (s Size) Cut(text string) string {
	if len(text) <= s.Bytes {
		return text
	}
	end := s.Bytes
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}

// String returns the number in decimal.
func (c Count) String() string { return strconv.Itoa(c.Max) }

// String returns the duration as the documents show it: in seconds, or in minutes.
func (t Time) String() string {
	if t.Duration >= time.Minute && t.Duration%time.Minute == 0 {
		return fmt.Sprintf("%dm", t.Duration/time.Minute)
	}
	return fmt.Sprintf("%ds", t.Duration/time.Second)
}
