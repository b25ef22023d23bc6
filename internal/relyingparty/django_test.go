package relyingparty_test

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"testing"
)

// testDjango runs the module of the page in a Django site, with its settings.
func testDjango(t *testing.T, f *clientsFixture) {
	a := f.of(t, "django-app", "RS256") // the Flask app of Authlib signs in with ES256
	dir := t.TempDir()
	write(t, filepath.Join(dir, "settings.py"), a.block("AUTHLIB_OAUTH_CLIENTS", `"app.example.com"`, `"127.0.0.1"`))
	write(t, filepath.Join(dir, "signin.py"), a.block("authlib.integrations.django_client"))
	cmd := command(dir, python(t), absolute(t, "python/django_site.py"), dir)
	cmd.Env = clientEnv()
	a.front.forwardTo(t, start(t, cmd, "the Django site").await(`ready at (\S+) `)[1])

	a.wantNoForgedSignIn("/callback")
	page := a.complete(a.phone.Visit(a.front.url + "/private"))
	u := a.wantUser(page)
	if page.URL != a.front.url+"/private" || a.django() != nil {
		t.Errorf("the browser is at %s: %s", page.URL, page.Body)
	}

	// A group of the gateway reaches Django with the next sign-in, and is gone with the one after it.
	for _, groups := range [][]string{{"admins", "staff"}, {"staff"}} {
		run(t, f.weigate(append([]string{"user", "groups", u.Sub}, groups...)...))
		a.complete(a.phone.Visit(a.front.url + "/sign-in"))
		if got := a.django(); !slices.Equal(got, groups) {
			t.Errorf("the user has the groups %v, want %v", got, groups)
		}
	}

	a.phone.Visit(a.front.url + "/form")
	if page := a.phone.Must(a.phone.Submit(t.Context(), "", nil)); page.URL != a.front.url+"/" || page.Body != "{}" {
		t.Errorf("sign-out ends at %s: %s", page.URL, page.Body)
	}
	a.phone.Visit(f.front.url + "/")
	a.phone.wantPage("welcome")
}

// django returns the groups of the user in Django. A member of admins is a superuser, others are not.
func (a *clientApp) django() []string {
	a.t.Helper()
	page := a.phone.Visit(a.front.url + "/")
	var user struct {
		Groups []string
		Admin  bool
	}
	if err := json.Unmarshal([]byte(page.Body), &user); err != nil {
		a.t.Fatalf("%s shows %s", page.URL, page.Body)
	}
	if user.Admin != slices.Contains(user.Groups, "admins") {
		a.t.Errorf("superuser %v with the groups %v", user.Admin, user.Groups)
	}
	if len(user.Groups) == 0 {
		return nil
	}
	return user.Groups
}
