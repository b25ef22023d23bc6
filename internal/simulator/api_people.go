package simulator

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weigate/weigate/wechat/wechattest"
)

func (c *control) peopleRoutes() []route {
	return []route{
		{method: "GET", path: "/api/people", does: "lists the people", serve: c.apiPeople},
		{method: "POST", path: "/api/people", does: "adds a person", status: http.StatusCreated, serve: c.apiAddPerson},
		{method: "GET", path: "/api/people/{person}", does: "returns a person, with the state at each app",
			serve: c.apiPerson},
		{method: "PATCH", path: "/api/people/{person}", does: "changes fields of a person", serve: c.apiChangePerson},
		{method: "DELETE", path: "/api/people/{person}", does: "removes a person", serve: c.apiRemovePerson},
		{method: "POST", path: "/api/people/{person}/reset", does: "resets a person to the state at the start",
			serve: c.apiResetPerson},
		{method: "POST", path: "/api/people/{person}/expire", does: "expires codes, tokens or consents of a person",
			serve: c.apiExpire},
		{method: "PATCH", path: "/api/people/{person}/apps/{appid}", does: "changes the state of a person at an app",
			serve: c.apiChangeUser},
	}
}

// personJSON is a person in the answers of the API. Its fields are those of wechattest.Person.
type personJSON struct {
	ID           string   `json:"id"`
	Nickname     string   `json:"nickname"`
	Avatar       string   `json:"avatar"`
	NoAvatar     bool     `json:"noAvatar"`
	Follows      []string `json:"follows"`
	Frozen       bool     `json:"frozen"`
	Deregistered bool     `json:"deregistered"`
	Snapshot     bool     `json:"snapshot"` // authorize pages open in snapshot mode (快照页)
	Privileges   []string `json:"privileges"`
}

// wholePersonJSON is the answer for one person.
type wholePersonJSON struct {
	personJSON
	Apps []userJSON `json:"apps"`
}

// userJSON is the state of a person at an app.
type userJSON struct {
	AppID             string     `json:"appid"`
	OpenID            string     `json:"openid"`
	UnionID           string     `json:"unionid"` // "" if the app has none
	Follows           bool       `json:"follows"`
	Consent           bool       `json:"consent"`
	ConsentUntil      *time.Time `json:"consentUntil"`     // null for no consent
	FullService       bool       `json:"fullService"`      // the person has left snapshot mode (使用完整服务)
	AccessTokenUntil  *time.Time `json:"accessTokenUntil"` // null before the first sign-in
	RefreshTokenUntil *time.Time `json:"refreshTokenUntil"`
	Revoked           int        `json:"revoked"` // errcode that calls with revoked tokens get; 0 = not revoked
}

func newPersonJSON(p *wechattest.Person) personJSON {
	return personJSON{
		ID: p.ID, Nickname: p.Nickname, Avatar: p.Avatar, NoAvatar: p.NoAvatar, Follows: list(p.Follows),
		Frozen: p.Frozen, Deregistered: p.Deregistered, Snapshot: p.Snapshot, Privileges: list(p.Privileges),
	}
}

// newUserJSON returns the state of a person at an app. An unknown person or app is an error.
func (c *control) newUserJSON(appID, person string) (userJSON, error) {
	u, err := c.server.UserState(appID, person)
	if err != nil {
		return userJSON{}, err
	}
	return userJSON{
		AppID: appID, OpenID: u.OpenID, UnionID: u.UnionID, Follows: u.Follows,
		Consent: !u.ConsentUntil.IsZero(), ConsentUntil: timeOrNull(u.ConsentUntil), FullService: u.FullService,
		AccessTokenUntil: timeOrNull(u.AccessTokenUntil), RefreshTokenUntil: timeOrNull(u.RefreshTokenUntil),
		Revoked: u.Revoked,
	}, nil
}

func timeOrNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// findPerson returns a person. An unknown id is an error that lists the known ids.
func (c *control) findPerson(id string) (*wechattest.Person, error) {
	people, known := c.server.People(), []string{}
	for i, p := range people {
		if p.ID == id {
			return &people[i], nil
		}
		known = append(known, p.ID)
	}
	return nil, &apiError{status: http.StatusNotFound, Name: "not_found", Field: "person",
		Message: "unknown person " + strconv.Quote(id) + "; there are " + strings.Join(known, ", ")}
}

func (c *control) people() []personJSON {
	out := []personJSON{}
	for _, p := range c.server.People() {
		out = append(out, newPersonJSON(&p))
	}
	return out
}

func (c *control) apiPeople(*http.Request) (any, error) {
	return map[string]any{"people": c.people()}, nil
}

func (c *control) apiPerson(r *http.Request) (any, error) {
	return c.wholePerson(r.PathValue("person"))
}

// wholePerson returns a person with the state at each app.
func (c *control) wholePerson(id string) (any, error) {
	p, err := c.findPerson(id)
	if err != nil {
		return nil, err
	}
	out := wholePersonJSON{personJSON: newPersonJSON(p), Apps: []userJSON{}}
	for _, a := range c.server.Apps() {
		if user, err := c.newUserJSON(a.AppID, id); err == nil { // an error: the app or person has just been removed
			out.Apps = append(out.Apps, user)
		}
	}
	return out, nil
}

// personFields are the fields of a person in a request. A field that is missing or null keeps its
// value.
type personFields struct {
	ID           *string   `json:"id"`
	Nickname     *string   `json:"nickname"`
	Avatar       *string   `json:"avatar"`
	NoAvatar     *bool     `json:"noAvatar"`
	Follows      *[]string `json:"follows"`
	Frozen       *bool     `json:"frozen"`
	Deregistered *bool     `json:"deregistered"`
	Snapshot     *bool     `json:"snapshot"`
	Privileges   *[]string `json:"privileges"`
}

// assign sets a variable if a request has a value for it.
func assign[T any](to, value *T) {
	if value != nil {
		*to = *value
	}
}

// apply sets the fields of a person that have a value in the request.
func (f *personFields) apply(p *wechattest.Person) {
	assign(&p.Nickname, f.Nickname)
	assign(&p.Avatar, f.Avatar)
	assign(&p.NoAvatar, f.NoAvatar)
	assign(&p.Follows, f.Follows)
	assign(&p.Frozen, f.Frozen)
	assign(&p.Deregistered, f.Deregistered)
	assign(&p.Snapshot, f.Snapshot)
	assign(&p.Privileges, f.Privileges)
}

// check rejects an unknown appid in follows, which is probably a typing mistake.
func (f *personFields) check(c *control) error {
	if f.Follows == nil {
		return nil
	}
	known := []string{"*"} // all apps
	for _, a := range c.server.Apps() {
		known = append(known, a.AppID)
	}
	for _, id := range *f.Follows {
		if !slices.Contains(known, id) {
			return invalid("follows", "unknown appid "+strconv.Quote(id)+"; there are "+strings.Join(known, ", "))
		}
	}
	return nil
}

func (c *control) apiAddPerson(r *http.Request) (any, error) {
	var f personFields
	if err := readJSON(r, &f); err != nil {
		return nil, err
	}
	if f.ID == nil {
		return nil, invalid("id", "missing: a name for scripts, such as zoe")
	}
	if err := f.check(c); err != nil {
		return nil, err
	}
	p := wechattest.Person{ID: *f.ID, Nickname: *f.ID, Follows: []string{"*"}}
	f.apply(&p)
	if err := c.server.AddPerson(p); err != nil {
		return nil, withField(err, "id")
	}
	return c.wholePerson(p.ID)
}

// withField returns the answer for an error, and names the field of the request that caused it.
func withField(err error, field string) *apiError {
	e := *asAPIError(err)
	e.Field = field
	return &e
}

func (c *control) apiChangePerson(r *http.Request) (any, error) {
	id := r.PathValue("person")
	var f personFields
	if err := readJSON(r, &f); err != nil {
		return nil, err
	}
	if f.ID != nil && *f.ID != id {
		return nil, invalid("id", "cannot be changed")
	}
	if err := f.check(c); err != nil {
		return nil, err
	}
	if err := c.server.UpdatePerson(id, f.apply); err != nil {
		return nil, err
	}
	return c.wholePerson(id)
}

func (c *control) apiRemovePerson(r *http.Request) (any, error) {
	id := r.PathValue("person")
	return map[string]string{"removed": id}, c.server.RemovePerson(id)
}

func (c *control) apiResetPerson(r *http.Request) (any, error) {
	id := r.PathValue("person")
	if err := readJSON(r, &struct{}{}); err != nil {
		return nil, err
	}
	if err := c.server.ResetPerson(id); err != nil {
		return nil, err
	}
	return c.wholePerson(id)
}

// apiExpire expires codes, tokens or consents of a person. The field "what" of the request lists which
// of these expire. The field "appid" selects one app. Without "appid", they expire at all apps.
func (c *control) apiExpire(r *http.Request) (any, error) {
	id := r.PathValue("person")
	var body struct {
		What  []string `json:"what"`
		AppID string   `json:"appid"`
	}
	if _, err := c.findPerson(id); err != nil {
		return nil, err
	}
	if err := readJSON(r, &body); err != nil {
		return nil, err
	}
	if body.AppID != "" {
		if _, err := c.findApp(body.AppID); err != nil {
			return nil, err
		}
	}
	expire := map[string]func(appID, person string){
		"codes": c.server.ExpireCodes, "accessTokens": c.server.ExpireAccessTokens,
		"refreshTokens": c.server.ExpireRefreshTokens, "consents": c.revokeConsents,
	}
	const choices = "codes, accessTokens, refreshTokens, consents"
	if len(body.What) == 0 {
		return nil, invalid("what", "missing: an array of "+choices)
	}
	for _, what := range body.What {
		if expire[what] == nil {
			return nil, invalid("what", strconv.Quote(what)+" is not one of "+choices)
		}
	}
	for _, what := range body.What {
		expire[what](body.AppID, id)
	}
	return c.wholePerson(id)
}

// revokeConsents deletes the consents of a person to an app; an empty appid means all apps.
func (c *control) revokeConsents(appID, person string) {
	for _, a := range c.server.Apps() {
		if appID == "" || a.AppID == appID {
			c.server.RevokeConsent(a.AppID, person)
		}
	}
}

func (c *control) apiChangeUser(r *http.Request) (any, error) {
	person, appID := r.PathValue("person"), r.PathValue("appid")
	var body struct {
		Follows     *bool `json:"follows"`
		Consent     *bool `json:"consent"`
		FullService *bool `json:"fullService"`
	}
	if err := readJSON(r, &body); err != nil {
		return nil, err
	}
	if _, err := c.server.UserState(appID, person); err != nil {
		return nil, err
	}
	if body.Follows != nil {
		if err := c.server.SetFollows(appID, person, *body.Follows); err != nil {
			return nil, err
		}
	}
	if body.Consent != nil && !*body.Consent {
		c.server.RevokeConsent(appID, person)
	}
	if body.Consent != nil && *body.Consent {
		if err := c.server.Consent(appID, person); err != nil {
			return nil, err
		}
	}
	if body.FullService != nil {
		c.server.SetFullService(appID, person, *body.FullService)
	}
	return c.newUserJSON(appID, person)
}
