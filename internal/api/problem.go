package api

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// Problem is the body of every response with an error: problem details of RFC 9457.
type Problem struct {
	Type      string       `json:"type" doc:"urn:weigate:problem: and the code"`
	Title     string       `json:"title" doc:"what happened, the same sentence for each code"`
	Status    int          `json:"status" doc:"the status of the response"`
	Code      string       `json:"code" doc:"one word for programs; the documents list all"`
	Detail    string       `json:"detail,omitempty" doc:"what happened in this request"`
	Side      string       `json:"side" enum:"caller,gateway" doc:"whose side has to act: the program that calls, or the gateway"`
	Action    string       `json:"action" doc:"what to do"`
	Scope     string       `json:"scope,omitempty" doc:"with missing_scope: the scope that the key lacks"`
	Errors    []FieldError `json:"errors,omitempty" doc:"the fields or parameters that are wrong"`
	Outcomes  []Outcome    `json:"outcomes,omitempty" doc:"of an operation on a list: each row, none of which was done"`
	RequestID string       `json:"request_id" doc:"also in the header X-Request-Id and in the log of the gateway"`

	allow string // header Allow, with method_not_allowed
}

// FieldError is a field of the body, or a parameter, that is wrong.
type FieldError struct {
	Field   string `json:"field" doc:"name of the field or parameter"`
	Message string `json:"message" doc:"what is wrong"`
}

// Error returns the code and the detail.
func (p *Problem) Error() string { return "api: " + p.Code + ": " + p.Detail }

// problemKind is what all problems with one code have in common.
type problemKind struct {
	code   string
	status int
	side   string
	title  string
	action string
}

const (
	sideCaller  = "caller"
	sideGateway = "gateway"
)

// problemKinds has all codes, in the order of the documents.
var problemKinds = []problemKind{
	{"missing_key", http.StatusUnauthorized, sideCaller, "The request has no API key.",
		"Send the header \"Authorization: Bearer KEY\". An administrator makes keys at /admin/api-keys."},
	{"invalid_key", http.StatusUnauthorized, sideCaller, "The API key is not known.",
		"Check that the key was copied completely. Keys that expired or were revoked 90 days ago are unknown too."},
	{"expired_key", http.StatusUnauthorized, sideCaller, "The API key has expired.",
		"Ask an administrator for a new key."},
	{"revoked_key", http.StatusUnauthorized, sideCaller, "The API key was revoked.",
		"Ask an administrator for a new key."},
	{"ownerless_key", http.StatusUnauthorized, sideCaller, "The user who made the API key is not an administrator now.",
		"Ask an administrator for a new key."},
	{"missing_scope", http.StatusForbidden, sideCaller, "The API key does not have the scope of this operation.",
		"Ask an administrator for a key with the scope in \"scope\"."},
	{"browser_only", http.StatusForbidden, sideCaller, "This operation is not available to API keys.",
		"Use the pages at /admin, or the command weigate on the server."},
	{"cross_site", http.StatusForbidden, sideCaller, "The request comes from a page of another site.",
		"Call the API from a server, not from a browser."},
	{"invalid_json", http.StatusBadRequest, sideCaller, "The body is not a JSON object as the operation needs it.",
		"Compare the body with the document at /api/v1/openapi.json."},
	{"unknown_field", http.StatusBadRequest, sideCaller, "The body has a field that the operation does not have.",
		"Remove the fields in \"errors\"."},
	{"unknown_parameter", http.StatusBadRequest, sideCaller, "The query has a parameter that the operation does not have.",
		"Remove the parameters in \"errors\"."},
	{"invalid_value", http.StatusBadRequest, sideCaller, "A field or a parameter has an invalid value.",
		"Correct the values in \"errors\"."},
	{"not_found", http.StatusNotFound, sideCaller, "There is no such object.",
		"Check the id. It may have been deleted."},
	{"unknown_path", http.StatusNotFound, sideCaller, "The API has no operation at this path.",
		"Compare the path with the document at /api/v1/openapi.json."},
	{"method_not_allowed", http.StatusMethodNotAllowed, sideCaller, "This path does not have the method of the request.",
		"Use a method of the header Allow."},
	{"conflict", http.StatusConflict, sideCaller, "The present state does not permit the operation.",
		"Read the object again and decide what to do."},
	{"user_blocked", http.StatusConflict, sideCaller, "The user is blocked.",
		"Unblock the user first."},
	{"user_pending", http.StatusConflict, sideCaller, "The user waits for approval.",
		"Approve the user first."},
	{"last_admin", http.StatusConflict, sideCaller, "The gateway would have no administrator.",
		"Make another user an administrator first."},
	{"self", http.StatusConflict, sideCaller, "An administrator cannot do this to their own user, also not by a key.",
		"Ask another administrator."},
	{"stale", http.StatusPreconditionFailed, sideCaller, "The object was changed since it was read.",
		"Read the object again, repeat the change on it, and send the new ETag in If-Match."},
	{"body_too_large", http.StatusRequestEntityTooLarge, sideCaller, "The body is too large.",
		"Send fewer rows in one request."},
	{"unsupported_media_type", http.StatusUnsupportedMediaType, sideCaller, "The body is not declared as JSON.",
		"Send the header \"Content-Type: application/json\"."},
	{"too_many_requests", http.StatusTooManyRequests, sideCaller, "Too many requests, or too many wrong keys.",
		"Wait as long as the header Retry-After says."},
	{"fault", http.StatusInternalServerError, sideGateway, "The gateway has failed.",
		"Repeat the request later. An administrator finds the cause in the log by the request id."},
	{"unavailable", http.StatusServiceUnavailable, sideGateway, "The database of the gateway is unavailable.",
		"Repeat the request later."},
}

// problemKindOf returns the kind with a code. It panics for an unknown code.
func problemKindOf(code string) problemKind {
	for _, k := range problemKinds {
		if k.code == code {
			return k
		}
	}
	panic("api: no problem has the code " + code)
}

// newProblem returns a problem with a code of problemKinds.
func newProblem(code, detail string) *Problem {
	k := problemKindOf(code)
	return &Problem{
		Type: "urn:weigate:problem:" + k.code, Title: k.title, Status: k.status, Code: k.code, Detail: detail,
		Side: k.side, Action: k.action,
	}
}

// fieldProblem returns a problem about one field or parameter.
func fieldProblem(code, field, message string) *Problem {
	p := newProblem(code, field+": "+message)
	p.Errors = []FieldError{{Field: field, Message: message}}
	return p
}

// retryAfter is how many seconds a client waits after too_many_requests. In this time, every rate
// of the API permits another request.
const retryAfter = 5

// writeProblem sends a problem.
func (h *Handler) writeProblem(w http.ResponseWriter, r *http.Request, p *Problem) {
	sent := *p
	sent.RequestID = h.cfg.RequestID(r.Context())
	header := w.Header()
	header.Set("Content-Type", "application/problem+json")
	header.Set("Cache-Control", "no-store")
	switch {
	case p.Status == http.StatusUnauthorized && p.Code == "missing_key":
		// RFC 6750, 3.1: without credentials, the challenge has no error code.
		header.Set("WWW-Authenticate", `Bearer realm="weigate"`)
	case p.Status == http.StatusUnauthorized:
		header.Set("WWW-Authenticate", `Bearer realm="weigate", error="invalid_token"`)
	case p.Scope != "":
		header.Set("WWW-Authenticate", `Bearer realm="weigate", error="insufficient_scope", scope="`+p.Scope+`"`)
	case p.Status == http.StatusTooManyRequests:
		header.Set("Retry-After", strconv.Itoa(retryAfter))
	}
	if p.allow != "" {
		header.Set("Allow", p.allow)
	}
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(sent) // fails only if the client has disconnected
}
