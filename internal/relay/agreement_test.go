package relay_test

import (
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/session"
)

// An app behind the relay gets no code before its user has agreed to changed documents.
func TestNoCodeBeforeTheUserAgrees(t *testing.T) {
	t.Parallel()
	g := newFixture(t)
	g.session.MustAgree = true
	header := g.authorize("snsapi_base").Header()
	if to := header.Get("Location"); !strings.HasPrefix(to, session.AgreementPath+"?") || strings.Contains(to, "code=0") {
		t.Errorf("to %q", to)
	}
	g.session.MustAgree = false
	g.location(g.authorize("snsapi_base").Header())
}
