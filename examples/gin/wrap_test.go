package main

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"
)

// In gin a handler that only answers does not stop the ones after it. A page
// behind sign-in would run for everybody.
func TestWrapStopsWhatTheMiddlewareAnswered(t *testing.T) {
	refuse := func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	}
	ran := false
	engine := gin.New()
	engine.GET("/", wrap(refuse), func(*gin.Context) { ran = true })

	answer := httptest.NewRecorder()
	engine.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/", nil))
	if ran || answer.Code != http.StatusUnauthorized {
		t.Errorf("page ran: %t, status %d; want a 401 and nothing else", ran, answer.Code)
	}
}
