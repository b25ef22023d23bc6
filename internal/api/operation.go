package api

import (
	"net/http"
	"slices"
	"strings"

	"github.com/weigate/weigate/internal/limit"
)

// operation is an operation of the API: a method at a path. The routes are made from the list of
// operations, and a test compares the list with the OpenAPI document.
type operation struct {
	id     string // operationId
	method string
	path   string // below /api/v1, with {wildcards}
	scope  string // that a key needs; "" = any valid key
	query  []parameter
	body   any // zero value of the type of the body; nil = none
	answer any // zero value of the type of the response; nil = none, status 204
	status int // of success; 0 = 200, or 204 without answer

	etag    bool     // a successful response has an ETag
	ifMatch bool     // the operation reads If-Match
	list    bool     // the operation acts on a list of users, and its answer is Outcomes
	media   []string // media types of the response; nil = application/json
	codes   []string // of problems, beside those that every operation has
	summary string
	text    string // further sentences for the document

	serve func(*Handler, *call) (any, error) // returns a value of the type of answer
}

// successStatus returns the status of a successful response.
func (o operation) successStatus() int {
	switch {
	case o.status != 0:
		return o.status
	case o.answer == nil && o.media == nil:
		return http.StatusNoContent
	}
	return http.StatusOK
}

var (
	pageParameters = []parameter{
		{name: "limit", kind: numberKind, most: limit.APIPage.Max, doc: "rows of a page; the default is 50", like: 50},
		{
			name: "after", kind: cursorKind, doc: "\"next\" of the previous page",
			like: cursor{ID: "exampleexampleexampleexam2"}.String(),
		},
	}
	timeParameters = []parameter{
		{name: "since", kind: timeKind, doc: "at or after this time", like: "2026-11-01T00:00:00Z"},
		{name: "until", kind: timeKind, doc: "before this time", like: "2026-12-01T00:00:00Z"},
	}
	userParameters = []parameter{
		{
			name: "text", like: "li",
			doc: "beginning of a nickname, part of a real name, its pinyin or note, or an id, openid, unionid or old id",
		},
		{
			name: "status", kind: wordKind, words: []string{"active", "pending", "blocked"}, like: "active",
			doc: "status of the users",
		},
		{name: "group", doc: "group of the users", like: "staff"},
		{name: "admin", kind: boolKind, doc: "true = administrators only", like: true},
	}
	eventParameters = []parameter{
		{name: "user", doc: "the id that the user had at the time of the event", like: "exampleexampleexampleexam2"},
		{name: "kind", doc: "kind of the event", like: "sign_in"},
		{name: "app", doc: "id of the app", like: "wiki"},
		{name: "actor", doc: "who caused it: a user id, \"command\", or \"key:\" and the id of an API key", like: "command"},
		{name: "outcome", doc: "the outcome; !ok selects every outcome but ok", like: "!ok"},
		{name: "request_id", doc: "id of a request", like: "k3j5x7q2ma"},
	}
)

// The operations are in several lists, each beside its handlers.
var operations = slices.Concat(
	keyOperations, userOperations, userListOperations, waitingOperations, invitationOperations, appOperations,
	eventOperations, healthOperations,
)

// methodsOf returns the methods of a path, sorted, as the header Allow has them.
func methodsOf(path string) string {
	var methods []string
	for _, o := range operations {
		if o.path == path {
			methods = append(methods, o.method)
			if o.method == http.MethodGet {
				methods = append(methods, http.MethodHead)
			}
		}
	}
	slices.Sort(methods)
	return strings.Join(methods, ", ")
}
