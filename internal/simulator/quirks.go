package simulator

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weigate/weigate/wechat/wechattest"
)

// maxPollWait is the maximum of the quirks that are durations. PollWait is how long the QR page's
// request for the status waits: with this maximum, a typing mistake does not block the page for
// hours.
const maxPollWait = 10 * time.Minute

// quirkField names a quirk: a field of wechattest.Quirks, an undocumented behaviour of WeChat. The
// page and the JSON API find the fields by reflection, so both show a new quirk automatically. A
// test checks that each quirk has a text.
type quirkField struct {
	field string // name in Quirks
	json  string // name in JSON and forms: field with a lower-case first letter
}

// quirkFields returns the fields of Quirks in their order.
func quirkFields() []quirkField {
	t := reflect.TypeFor[wechattest.Quirks]()
	out := make([]quirkField, t.NumField())
	for i := range out {
		name := t.Field(i).Name
		out[i] = quirkField{field: name, json: strings.ToLower(name[:1]) + name[1:]}
	}
	return out
}

// quirkChoices returns the names of the constants of an enumeration type, or nil for other types.
// The index of a name is the value of the constant. The text of a choice has the key
// "choice-FIELD-NAME".
func quirkChoices(t reflect.Type) []string {
	switch t {
	case reflect.TypeFor[wechattest.DoubleCallback]():
		return []string{"off", "first", "together", "late", "otherCode"}
	case reflect.TypeFor[wechattest.UsedCode]():
		return []string{"thenInvalid", "isInvalid"}
	case reflect.TypeFor[wechattest.Suffix]():
		return []string{"rid", "hints", "none"}
	case reflect.TypeFor[wechattest.Dirty]():
		return []string{"off", "control", "utf8", "emoji", "noAvatar"}
	}
	return nil
}

// valueIn returns the value of the quirk in q. The result can be set.
func (f quirkField) valueIn(q *wechattest.Quirks) reflect.Value {
	return reflect.ValueOf(q).Elem().FieldByName(f.field)
}

// get returns the value of a quirk for JSON: a boolean, a number or a string. The string is a
// duration, the name of a choice, or the id of a person.
func (f quirkField) get(q *wechattest.Quirks) any {
	v := f.valueIn(q)
	if names := quirkChoices(v.Type()); v.CanInt() && v.Int() >= 0 && v.Int() < int64(len(names)) {
		return names[v.Int()]
	}
	if v.Type() == reflect.TypeFor[time.Duration]() {
		return time.Duration(v.Int()).String()
	}
	return v.Interface()
}

// set parses text and stores the value in q. The format of text depends on the quirk: true or
// false, a number, a duration, the name of a choice, or the id of a person.
func (f quirkField) set(q *wechattest.Quirks, text string) error {
	v := f.valueIn(q)
	if names := quirkChoices(v.Type()); names != nil {
		i := slices.Index(names, text)
		if i < 0 {
			return fmt.Errorf("%q is not one of %s", text, strings.Join(names, ", "))
		}
		v.SetInt(int64(i))
		return nil
	}
	switch {
	case v.Type() == reflect.TypeFor[time.Duration]():
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 || d > maxPollWait {
			return fmt.Errorf("%q is not a duration between 0s and 10m", text)
		}
		v.SetInt(int64(d))
	case v.Kind() == reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		v.SetBool(b)
	case v.Kind() == reflect.Int:
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return fmt.Errorf("%q is not a number of at least 0", text)
		}
		v.SetInt(int64(n))
	default: // ConsentAs, the only string
		v.SetString(text)
	}
	return nil
}

// quirksJSON returns all quirks by their JSON names.
func quirksJSON(q wechattest.Quirks) map[string]any {
	out := map[string]any{}
	for _, f := range quirkFields() {
		out[f.json] = f.get(&q)
	}
	return out
}

// setQuirks changes several quirks. values has their new values by JSON name. If a name or a value
// is invalid, setQuirks changes nothing.
func (c *control) setQuirks(values map[string]string) error {
	next := c.server.Quirks()
	known, names := map[string]quirkField{}, []string{}
	for _, f := range quirkFields() {
		known[f.json], names = f, append(names, f.json)
	}
	for name, text := range values {
		f, ok := known[name]
		if !ok {
			return &apiError{status: http.StatusBadRequest, Name: "unknown_field", Field: name,
				Message: "unknown quirk " + strconv.Quote(name) + "; there are " + strings.Join(names, ", ")}
		}
		if err := f.set(&next, text); err != nil {
			return invalid(name, err.Error())
		}
	}
	// ConsentAs is the person who consents automatically.
	if person := values["consentAs"]; person != "" {
		if _, err := c.findPerson(person); err != nil {
			return invalid("consentAs", err.Error())
		}
	}
	// Only the quirks in values are stored. To store next would undo a concurrent change of another
	// quirk.
	c.server.UpdateQuirks(func(q *wechattest.Quirks) {
		for name, text := range values {
			_ = known[name].set(q, text) // validated above
		}
	})
	return nil
}

// jsonText returns a JSON string, number or boolean as the text that set parses.
func jsonText(raw json.RawMessage) (string, error) {
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return "", err
	}
	switch v := v.(type) {
	case string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	}
	return "", fmt.Errorf("%s is not a string, number or boolean", raw)
}

// quirkView is a quirk as the form shows it.
type quirkView struct {
	Field, Name string
	Kind        string // "bool", "choice", "person" or "text"
	Value       string
	Changed     bool // the value differs from the default
	Choices     []string
	People      []personCard
}

func (c *control) quirksPage(w http.ResponseWriter, r *http.Request) {
	c.renderQuirks(w, r, http.StatusOK, "")
}

// renderQuirks serves the form with a message, the key of a text; "" for none.
func (c *control) renderQuirks(w http.ResponseWriter, r *http.Request, status int, message string) {
	current, defaults := c.server.Quirks(), wechattest.Quirks{}
	var views []quirkView
	for _, f := range quirkFields() {
		value := f.get(&current)
		v := quirkView{Field: f.field, Name: f.json, Kind: "text", Value: fmt.Sprint(value),
			Changed: value != f.get(&defaults)}
		if _, ok := value.(bool); ok {
			v.Kind = "bool"
		}
		if choices := quirkChoices(f.valueIn(&current).Type()); choices != nil {
			v.Kind, v.Choices = "choice", choices
		}
		if f.field == "ConsentAs" {
			v.Kind, v.People = "person", c.personCards()
		}
		views = append(views, v)
	}
	c.render(w, r, status, "quirks", c.texts(r).MustText("nav-quirks"), map[string]any{
		"Quirks": views, "Note": message,
	})
}

// saveQuirks handles the form of all quirks. A quirk that is missing in the request keeps its
// value.
func (c *control) saveQuirks(w http.ResponseWriter, r *http.Request) {
	values := map[string]string{}
	for _, f := range quirkFields() {
		value := r.PostFormValue(f.json) // also parses the form
		if r.PostForm.Has(f.json) {
			values[f.json] = value
		}
	}
	if err := c.setQuirks(values); err != nil {
		c.renderQuirks(w, r, http.StatusBadRequest, "quirks-invalid")
		return
	}
	c.changed()
	c.redirect(w, r, "/quirks")
}

// presetFault is a fault (an injected failure) that the form offers by name. The text of a preset
// has the key "faults-NAME".
type presetFault struct {
	Name  string
	fault wechattest.Fault
}

// presetFaults returns the faults that the form offers.
func presetFaults() []presetFault {
	// The page that a network with a captive portal returns instead of WeChat's response.
	const loginPage = "<!doctype html><title>Sign in to this network</title><p>Sign in to this network</p>"
	return []presetFault{
		{"busy", wechattest.Fault{Errcode: -1}},
		{"quota", wechattest.Fault{Errcode: 45011}},
		{"token", wechattest.Fault{Errcode: 40001}},
		{"slow", wechattest.Fault{Latency: 15 * time.Second}},
		{"gateway", wechattest.Fault{Status: http.StatusBadGateway}},
		{"html", wechattest.Fault{Body: loginPage}},
		{"half", wechattest.Fault{Truncate: 40}},
		{"cut", wechattest.Fault{Cut: true}},
		{"empty", wechattest.Fault{Body: "{}", ContentType: "text/plain"}},
	}
}

func (c *control) faultsPage(w http.ResponseWriter, r *http.Request) {
	c.renderFaults(w, r, http.StatusOK, "")
}

// renderFaults serves the page of faults with a message, the key of a text; "" for none.
func (c *control) renderFaults(w http.ResponseWriter, r *http.Request, status int, message string) {
	c.render(w, r, status, "faults", c.texts(r).MustText("nav-faults"), map[string]any{
		"Ready": presetFaults(), "Endpoints": wechattest.FaultEndpoints(), "Apps": c.server.Apps(),
		"Waiting": faultsJSON(c.server.Faults()), "Note": message,
	})
}

// addFault handles the form of the page: it adds a fault, or removes all faults with do=clear.
func (c *control) addFault(w http.ResponseWriter, r *http.Request) {
	if r.PostFormValue("do") == "clear" {
		c.server.ClearFaults()
	} else {
		f, ok := faultOfForm(r)
		if !ok {
			c.renderFaults(w, r, http.StatusBadRequest, "faults-invalid")
			return
		}
		c.server.Fail(f)
	}
	c.changed()
	c.redirect(w, r, "/faults")
}

// faultOfForm returns the fault that the form describes. It returns false when a field is invalid.
// If the form has an errcode, the chosen preset is ignored.
func faultOfForm(r *http.Request) (wechattest.Fault, bool) {
	var f wechattest.Fault
	presets := presetFaults()
	i := slices.IndexFunc(presets, func(f presetFault) bool { return f.Name == r.PostFormValue("what") })
	if i < 0 {
		return f, false
	}
	f = presets[i].fault
	if text := r.PostFormValue("errcode"); text != "" {
		code, err := strconv.Atoi(text)
		if err != nil {
			return f, false
		}
		f = wechattest.Fault{Errcode: code}
	}
	times, err := strconv.Atoi(r.PostFormValue("times"))
	if err != nil || times == 0 {
		return f, false
	}
	skip, err := strconv.Atoi(r.PostFormValue("skip"))
	if err != nil || skip < 0 {
		return f, false
	}
	f.Times, f.Skip = times, skip
	f.Endpoint, f.AppID = r.PostFormValue("endpoint"), r.PostFormValue("appid")
	f.AfterWork = r.PostFormValue("after") != ""
	return f, f.Check() == nil
}
