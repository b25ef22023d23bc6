package route

import "net/http"

// SeeOther redirects with status 303: the browser requests address by GET, whatever method it used.
func SeeOther(w http.ResponseWriter, address string) {
	w.Header().Set("Location", address)
	w.WriteHeader(http.StatusSeeOther)
}
