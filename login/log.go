package login

import "net/http"

// Event is one step of a sign-in, for metrics. It identifies no user, and its values come from
// small sets.
type Event struct {
	// Outcome is "begun" when the browser was sent to WeChat. Otherwise it is the result of a
	// callback: the text of an OutcomeKind, "denied", "repeat" (answered from the outcome of an
	// earlier one), "lost" (it belongs to no flow of the browser), "gave_up", "store_full" or
	// "unavailable".
	Outcome string
	Method  Method // "" when the flow is not known
}

// fail answers a request that failed with an internal error: it logs the cause, and renders a page
// with the request id.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := Page{Kind: PageFault, RequestID: h.requestID(r)}
	if isTemporary(err) {
		p.Kind = PageBusy
	}
	h.cfg.Logger.ErrorContext(r.Context(), "sign-in request failed", "error", err, "request_id", p.RequestID)
	h.show(w, r, p)
}
