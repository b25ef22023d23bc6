package relyingparty_test

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"go.yaml.in/yaml/v4"
)

// The clients of this file are in no registry that the tests may use. The tests send the requests that
// their source code builds: the same parameters in the same order and encoding, and the same headers. The
// values come from the settings of the page.

// capturedClient builds the requests of one sign-in of a client.
type capturedClient struct {
	redirectURI, state, nonce, verifier string
	// authorize, signOut are the queries of the requests at the authorize endpoint and at the logout
	// endpoint. signOut gets the ID token. A nil signOut means that the client has none.
	authorize string
	signOut   func(idToken string) string
	token     func(code string) (body string, header http.Header)  // the request at the token endpoint
	refresh   func(token string) (body string, header http.Header) // nil = the client has no refresh token
	accept    string                                               // Accept header of the request at userinfo
	idToken   func(claims map[string]any)                          // checks the ID token; nil = it has no claims to check
}

// encoded returns parameters in the given order, in urlencoded form. space is the encoding of a space.
func encoded(space string, pairs ...string) string {
	var out []string
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			out = append(out, url.QueryEscape(pairs[i])+"="+strings.ReplaceAll(url.QueryEscape(pairs[i+1]), "+", space))
		}
	}
	return strings.Join(out, "&")
}

func form(header ...string) http.Header {
	h := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return h
}

// encrypted returns n random bytes in base64url, which stand for encrypted data.
func encrypted(n int) string {
	data := make([]byte, n)
	rand.Read(data) // crypto/rand.Read never fails
	return base64.RawURLEncoding.EncodeToString(data)
}

// basic is the Authorization header of client_secret_basic, with form-encoded values (RFC 6749, 2.3.1).
func basic(a *clientApp) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(a.id)+":"+url.QueryEscape(clientSecret)))
}

// settings returns the texts that a regular expression with one or two groups finds in a block of the
// app's page: the values by name, or by "" if there is one group.
func (a *clientApp) settings(block, pattern string) map[string]string {
	a.t.Helper()
	found := map[string]string{}
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(a.block(block), -1) {
		if len(m) == 2 {
			found[""] = m[1]
		} else {
			found[m[1]] += m[2]
		}
	}
	if len(found) == 0 {
		a.t.Fatalf("%s has nothing like %s", a.page, pattern)
	}
	return found
}

// aspNetCore is OpenIdConnectHandler of dotnet/aspnetcore, version 8, with OpenIdConnectMessage of
// AzureAD/azure-activedirectory-identitymodel-extensions-for-dotnet. The state is the encrypted
// AuthenticationProperties. It has more than 2 kB if the app puts a return address into it.
func aspNetCore(a *clientApp) capturedClient {
	set := a.settings("AddOpenIdConnect", `options\.(\w+) = "([^"]*)"`)
	scopes := regexp.MustCompile(`Scope\.Add\("(\w+)"\)`).FindAllStringSubmatch(a.block("AddOpenIdConnect"), -1)
	c := capturedClient{redirectURI: a.front.url + set["CallbackPath"], verifier: oauth2.GenerateVerifier(),
		state: "CfDJ8" + encrypted(1800), nonce: "638683200000000000." + strings.Repeat(rand.Text(), 3)}
	if set["Authority"] != a.f.front.url || set["ClientId"] != a.id || set["ResponseMode"] != "form_post" ||
		len(scopes) != 3 {
		a.t.Fatalf("the settings are %v %v", set, scopes)
	}
	c.authorize = encoded("%20", "client_id", a.id, "redirect_uri", c.redirectURI, "response_type", set["ResponseType"],
		"scope", scopes[0][1]+" "+scopes[1][1]+" "+scopes[2][1], "code_challenge",
		oauth2.S256ChallengeFromVerifier(c.verifier), "code_challenge_method", "S256", "response_mode",
		set["ResponseMode"], "nonce", c.nonce, "state", c.state, "x-client-SKU", "ID_NET8_0", "x-client-ver", "7.1.2.0")
	c.token = func(code string) (string, http.Header) {
		return encoded("+", "client_id", a.id, "client_secret", clientSecret, "code", code, "grant_type",
			"authorization_code", "redirect_uri", c.redirectURI, "code_verifier", c.verifier), form()
	}
	c.signOut = func(idToken string) string {
		return encoded("%20", "post_logout_redirect_uri", a.front.url+set["SignedOutCallbackPath"], "id_token_hint", idToken,
			"state", c.state, "x-client-SKU", "ID_NET8_0", "x-client-ver", "7.1.2.0")
	}
	return c
}

// springSecurity is DefaultOAuth2AuthorizationRequestResolver, DefaultOAuth2TokenRequestHeadersConverter
// and OidcClientInitiatedLogoutSuccessHandler of spring-projects/spring-security, version 7.
func springSecurity(a *clientApp) capturedClient {
	var conf struct {
		Spring struct {
			Security struct {
				OAuth2 struct {
					Client struct {
						Registration map[string]struct {
							ID       string   `yaml:"client-id"`
							Method   string   `yaml:"client-authentication-method"`
							Redirect string   `yaml:"redirect-uri"`
							Scope    []string `yaml:"scope"`
						}
						Provider map[string]struct {
							Issuer string `yaml:"issuer-uri"`
						}
					}
				} `yaml:"oauth2"`
			}
		}
	}
	if err := yaml.Unmarshal([]byte(a.block("spring:")), &conf); err != nil {
		a.t.Fatal(err)
	}
	client := conf.Spring.Security.OAuth2.Client
	set := client.Registration["weigate"]
	if client.Provider["weigate"].Issuer != a.f.front.url || set.ID != a.id || set.Method != "client_secret_basic" {
		a.t.Fatalf("the settings are %+v", client)
	}
	random := base64.URLEncoding.EncodeToString([]byte(rand.Text() + "123456")) // with its padding
	c := capturedClient{state: random, nonce: strings.TrimRight(random, "=") + "n", accept: "application/json",
		verifier:    oauth2.GenerateVerifier(),
		redirectURI: strings.NewReplacer("{baseUrl}", a.front.url, "{registrationId}", "weigate").Replace(set.Redirect)}
	c.authorize = encoded("%20", "response_type", "code", "client_id", set.ID, "scope", strings.Join(set.Scope, " "),
		"state", c.state, "redirect_uri", c.redirectURI, "nonce", c.nonce, "code_challenge",
		oauth2.S256ChallengeFromVerifier(c.verifier), "code_challenge_method", "S256")
	c.token = func(code string) (string, http.Header) {
		return encoded("+", "grant_type", "authorization_code", "code", code, "redirect_uri", c.redirectURI,
				"code_verifier", c.verifier),
			form("Accept", "application/json;charset=UTF-8", "Content-Type",
				"application/x-www-form-urlencoded;charset=UTF-8", "Authorization", basic(a))
	}
	c.signOut = func(idToken string) string {
		return encoded("%20", "id_token_hint", idToken, "post_logout_redirect_uri", a.front.url+"/")
	}
	return c
}

// jumbojett is OpenIDConnectClient of jumbojett/OpenID-Connect-PHP, version 1. It sends client_id beside
// the Authorization header when it uses PKCE.
func jumbojett(a *clientApp) capturedClient {
	const block = "Jumbojett"
	scopes := a.settings(block, `addScope\(\['(\w+)', '(\w+)'\]\)`)
	scope := "profile " + scopes["profile"] // the test fails if the page has other scopes
	c := capturedClient{redirectURI: a.settings(block, `setRedirectURL\('([^']*)'\)`)[""], accept: "application/json",
		state: fmt.Sprintf("%x", rand.Text()[:16]), nonce: fmt.Sprintf("%x", rand.Text()[:16]),
		verifier: strings.Repeat("0123456789abcdef", 8)}
	if made := a.settings(block, `Client\('([^']*)', '([^']*)'`); made[a.f.front.url] != a.id {
		a.t.Fatalf("the settings are %v", made)
	}
	c.authorize = encoded("+", "response_type", "code", "redirect_uri", c.redirectURI, "client_id", a.id, "nonce", c.nonce,
		"state", c.state, "scope", scope+" openid", "code_challenge", oauth2.S256ChallengeFromVerifier(c.verifier),
		"code_challenge_method", a.settings(block, `setCodeChallengeMethod\('(\w+)'\)`)[""])
	c.token = func(code string) (string, http.Header) {
		return encoded("+", "grant_type", "authorization_code", "code", code, "redirect_uri", c.redirectURI,
				"client_id", a.id, "code_verifier", c.verifier),
			form("Authorization", basic(a), "User-Agent", "jumbojett/OpenID-Connect-PHP")
	}
	c.refresh = func(token string) (string, http.Header) { // without the scope openid
		return encoded("+", "grant_type", "refresh_token", "refresh_token", token, "scope", scope),
			form("Authorization", basic(a))
	}
	c.signOut = func(idToken string) string {
		return encoded("+", "id_token_hint", idToken, "post_logout_redirect_uri", a.front.url+"/")
	}
	return c
}

// league is GenericProvider of thephpleague/oauth2-client, version 2.
func league(a *clientApp) capturedClient {
	set := a.settings("GenericProvider", `'(\w+)' => '([^']*)'`)
	scopes := regexp.MustCompile(`'scopes' => \['(\w+)', '(\w+)'\]`).FindStringSubmatch(a.block("GenericProvider"))
	if set["clientId"] != a.id || len(scopes) != 3 || set["urlAuthorize"] != a.f.front.url+"/oauth2/authorize" ||
		set["urlAccessToken"] != a.f.front.url+"/oauth2/token" ||
		set["urlResourceOwnerDetails"] != a.f.front.url+"/oauth2/userinfo" {
		a.t.Fatalf("the settings are %v %v", set, scopes)
	}
	c := capturedClient{redirectURI: set["redirectUri"], state: fmt.Sprintf("%x", rand.Text()[:16]),
		verifier: oauth2.GenerateVerifier()}
	c.authorize = encoded("%20", "state", c.state, "scope", scopes[1]+set["scopeSeparator"]+scopes[2], "response_type",
		"code", "approval_prompt", "auto", "code_challenge", oauth2.S256ChallengeFromVerifier(c.verifier),
		"code_challenge_method", set["pkceMethod"], "redirect_uri", c.redirectURI, "client_id", a.id)
	c.token = func(code string) (string, http.Header) {
		return encoded("%20", "client_id", a.id, "client_secret", clientSecret, "redirect_uri", c.redirectURI,
			"code_verifier", c.verifier, "grant_type", "authorization_code", "code", code), form()
	}
	return c
}

// testCaptured signs in with the requests of each client.
func testCaptured(t *testing.T, f *clientsFixture) {
	clients := map[string]func(*clientApp) capturedClient{"aspnet-app": aspNetCore, "spring-app": springSecurity,
		"league-app": league, "laravel-app": laravel, "wordpress": wordPress}
	for name, client := range clients {
		f.both(t, name, func(a *clientApp) clientUser { return a.signInAs(client(a)) })
	}
	// These settings are for RS256, and jumbojett has no ES256.
	for name, client := range map[string]func(*clientApp) capturedClient{"jumbojett-app": jumbojett,
		"mozilla-django-app": mozillaDjango} {
		t.Run(name, func(t *testing.T) {
			a := f.of(t, name, "RS256")
			a.signInAs(client(a))
		})
	}
}

// signInAs sends the requests of a client and checks the responses as clients do.
func (a *clientApp) signInAs(c capturedClient) clientUser {
	a.t.Helper()
	answered := make(chan url.Values, 2)
	app := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm() // an error leaves parameters out, which the test finds
		// The gateway sends logout tokens in the background. The tests do not wait for them.
		if r.Form.Has("logout_token") {
			return
		}
		r.Form.Set("method", r.Method)
		answered <- r.Form
	}))
	a.t.Cleanup(app.Close)
	a.front.forwardTo(a.t, app.URL)

	a.complete(a.phone.Visit(a.f.front.url + "/oauth2/authorize?" + c.authorize))
	if strings.Contains(c.authorize, "form_post") {
		a.phone.Must(a.phone.Submit(a.t.Context(), "", nil))
	}
	if page := a.phone.Page(); !strings.HasPrefix(page.URL, c.redirectURI) {
		a.t.Fatalf("the browser is at %s (%d) by %v: %s", page.URL, page.Status, page.Hops, page.Body)
	}
	answer := <-answered
	if answer.Get("state") != c.state || answer.Get("iss") != a.f.front.url || answer.Get("code") == "" ||
		(answer.Get("method") == http.MethodPost) != strings.Contains(c.authorize, "form_post") {
		a.t.Fatalf("the client received %v", answer)
	}
	tokens := a.redeem(c.token(answer.Get("code")))
	var info struct {
		clientUser
		Groups []string
	}
	a.send(http.MethodGet, "/oauth2/userinfo", "", http.Header{"Authorization": {"Bearer " + tokens.AccessToken},
		"Accept": {c.accept}}, &info)
	u := info.clientUser
	if u.Name != nickname(a.name) || u.Sub == "" || (info.Groups != nil) != strings.Contains(c.authorize, "groups") {
		a.t.Errorf("userinfo %+v", info)
	}
	a.verify(c, tokens, u)
	if c.refresh != nil {
		after := a.redeem(c.refresh(tokens.RefreshToken))
		if after.RefreshToken == "" || after.RefreshToken == tokens.RefreshToken {
			a.t.Errorf("the refresh returns no new refresh token: %+v", after)
		}
	}
	if c.signOut != nil {
		query := c.signOut(tokens.IDToken)
		page := a.phone.Visit(a.f.front.url + "/oauth2/logout?" + query)
		parameters, _ := url.ParseQuery(query)
		if !strings.HasPrefix(page.URL, parameters.Get("post_logout_redirect_uri")) ||
			(<-answered).Get("state") != parameters.Get("state") {
			a.t.Errorf("sign-out ends at %s (%d): %s", page.URL, page.Status, page.Body)
		}
	}
	return u
}

// capturedTokens is the response of the token endpoint.
type capturedTokens struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	IDToken      string `json:"id_token"`
	RefreshToken string `json:"refresh_token"`
	ExpiresIn    int    `json:"expires_in"`
}

// redeem sends a request at the token endpoint.
func (a *clientApp) redeem(body string, header http.Header) (tokens capturedTokens) {
	a.t.Helper()
	a.send(http.MethodPost, "/oauth2/token", body, header, &tokens)
	if tokens.AccessToken == "" || tokens.IDToken == "" || tokens.TokenType != "Bearer" || tokens.ExpiresIn <= 0 {
		a.t.Fatalf("the token response lacks values: %+v", tokens)
	}
	return tokens
}

// verify checks the ID token as a client does that accepts the app's algorithm only.
func (a *clientApp) verify(c capturedClient, tokens capturedTokens, u clientUser) {
	a.t.Helper()
	provider, err := oidc.NewProvider(a.t.Context(), a.f.front.url)
	if err != nil {
		a.t.Fatal(err)
	}
	id, err := provider.Verifier(&oidc.Config{ClientID: a.id, SupportedSigningAlgs: []string{a.alg}}).
		Verify(a.t.Context(), tokens.IDToken)
	if err != nil {
		a.t.Fatalf("ID token: %v", err)
	}
	if id.Subject != u.Sub || id.Nonce != c.nonce {
		a.t.Errorf("the ID token is about %q with the nonce %q, want %q and %q", id.Subject, id.Nonce, u.Sub, c.nonce)
	}
	var claims map[string]any
	if err := id.Claims(&claims); err != nil {
		a.t.Fatal(err)
	}
	if c.idToken != nil {
		c.idToken(claims)
	}
}

// send sends a request of the client to the gateway and decodes the JSON response.
func (a *clientApp) send(method, path, body string, header http.Header, into any) {
	a.t.Helper()
	r, err := http.NewRequestWithContext(a.t.Context(), method, a.f.front.url+path, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	r.Header = header
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		a.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK || json.Unmarshal(text, into) != nil {
		a.t.Fatalf("%s answers %d %v: %s", path, res.StatusCode, err, text)
	}
}
