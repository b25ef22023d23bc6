package route

import "net/http"

// SeeOther redirects by status 303: the browser loads address by GET, whatever method it used here.
func SeeOther(w http.ResponseWriter, address string) {
	w.Header().Set("Location", address)
	w.WriteHeader(http.StatusSeeOther)
}
