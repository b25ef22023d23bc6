package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
)

// readBody decodes the body of a request into target, a pointer to a struct. It is stricter than
// encoding/json, so that a request does what its sender meant, or nothing. It compares the names of
// fields exactly, and rejects unknown fields, repeated fields and null. So a field that the
// operation does not have, such as "admin" in a change of a name, is never ignored.
func readBody(r *http.Request, target any) error {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" {
		return newProblem("unsupported_media_type", "Content-Type is not application/json")
	}
	body, err := io.ReadAll(r.Body)
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return newProblem("body_too_large", fmt.Sprintf("the body is longer than %d bytes", tooLarge.Limit))
	}
	if err != nil {
		return newProblem("invalid_json", "the body is incomplete")
	}
	members, err := splitObject(body)
	if err != nil {
		return newProblem("invalid_json", err.Error())
	}
	return setFields(reflect.ValueOf(target).Elem(), members)
}

// member is a field of a JSON object.
type member struct {
	name  string
	value json.RawMessage
}

// splitObject returns the fields of a JSON object, in order. Its errors do not contain any part of
// the body.
func splitObject(body []byte) ([]member, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("the body is not a JSON object")
	}
	var members []member
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("invalid JSON after byte %d", d.InputOffset())
		}
		m := member{name: name.(string)} // Token accepts nothing else as the name of a field
		if err := d.Decode(&m.value); err != nil {
			return nil, fmt.Errorf("invalid JSON after byte %d", d.InputOffset())
		}
		members = append(members, m)
	}
	if _, err := d.Token(); err != nil {
		return nil, errors.New("the JSON object is not complete")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON object")
	}
	return members, nil
}

// setFields sets the fields of a struct by the names in their json tags.
func setFields(target reflect.Value, members []member) error {
	var unknown, wrong []FieldError
	seen := map[string]bool{}
	for _, m := range members {
		field, found := fieldByTag(target, m.name)
		switch {
		case !found:
			unknown = append(unknown, FieldError{Field: shortName(m.name), Message: "the operation has no such field"})
		case seen[m.name]:
			wrong = append(wrong, FieldError{Field: m.name, Message: "appears more than once"})
		case string(m.value) == "null":
			wrong = append(wrong, FieldError{Field: m.name, Message: "null is not allowed; leave the field out"})
		default:
			if err := json.Unmarshal(m.value, field.Addr().Interface()); err != nil || isListWithNull(m.value) {
				wrong = append(wrong, FieldError{Field: m.name, Message: "must be " + typeName(field.Type())})
			}
		}
		seen[m.name] = true
	}
	for _, name := range missingFields(target.Type(), seen) {
		wrong = append(wrong, FieldError{Field: name, Message: "is required"})
	}
	switch {
	case len(unknown) > 0:
		return fieldsProblem("unknown_field", unknown)
	case len(wrong) > 0:
		return fieldsProblem("invalid_value", wrong)
	}
	return nil
}

// isListWithNull reports whether a value is a list that contains null. encoding/json would decode
// this null into an empty string.
func isListWithNull(value json.RawMessage) bool {
	var items []json.RawMessage
	return json.Unmarshal(value, &items) == nil &&
		slices.ContainsFunc(items, func(item json.RawMessage) bool { return string(item) == "null" })
}

// fieldsProblem returns a problem about one or more fields.
func fieldsProblem(code string, fields []FieldError) *Problem {
	p := fieldProblem(code, fields[0].Field, fields[0].Message)
	p.Errors = fields
	return p
}

func fieldByTag(in reflect.Value, name string) (reflect.Value, bool) {
	for i := range in.NumField() {
		if tag, _ := jsonName(in.Type().Field(i)); tag == name {
			return in.Field(i), true
		}
	}
	return reflect.Value{}, false
}

// jsonName returns the name of a field in JSON, and whether the field may be missing.
func jsonName(f reflect.StructField) (name string, optional bool) {
	name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name, strings.Contains(options, "omit")
}

// missingFields returns the required fields of a struct that a body does not have.
func missingFields(t reflect.Type, seen map[string]bool) (missing []string) {
	for i := range t.NumField() {
		if name, optional := jsonName(t.Field(i)); name != "" && !optional && !seen[name] {
			missing = append(missing, name)
		}
	}
	return missing
}

// typeName returns the name of a type for an error message.
func typeName(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == timeType:
		return "a time such as 2026-11-29T08:00:00Z"
	case t.Kind() == reflect.Slice:
		return "a list of strings"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.Int:
		return "a whole number between -2147483648 and 2147483647" // the range of int on 32-bit platforms
	}
	return "a string"
}

// shortName shortens the name of an unknown field or parameter, which can have any length. The JSON
// encoder later escapes control characters, and replaces bytes that are not UTF-8.
func shortName(name string) string {
	const most = 60
	if runes := []rune(name); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return name
}

// readQuery returns the values of the parameters of an operation, by name. The error does not
// repeat the values of unknown parameters, because such a value could be an API key.
func readQuery(r *http.Request, parameters []parameter) (map[string]any, error) {
	values := map[string]any{}
	var unknown, wrong []FieldError
	// URL.Query would drop a parameter with ";" silently.
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, fieldProblem("invalid_value", "query", "is not a list of name=value, separated by &")
	}
	for name, sent := range query {
		i := slices.IndexFunc(parameters, func(p parameter) bool { return p.name == name })
		switch {
		case i < 0:
			unknown = append(unknown, FieldError{Field: shortName(name), Message: "the operation has no such parameter"})
		case len(sent) > 1:
			wrong = append(wrong, FieldError{Field: name, Message: "appears more than once"})
		default:
			value, message := parameters[i].parse(sent[0])
			if message != "" {
				wrong = append(wrong, FieldError{Field: name, Message: message})
			}
			values[name] = value
		}
	}
	for _, p := range parameters {
		if p.required && query.Get(p.name) == "" {
			wrong = append(wrong, FieldError{Field: p.name, Message: "is required"})
		}
	}
	byField := func(a, b FieldError) int { return strings.Compare(a.Field, b.Field) }
	slices.SortFunc(unknown, byField)
	slices.SortFunc(wrong, byField)
	switch {
	case len(unknown) > 0:
		return nil, fieldsProblem("unknown_parameter", unknown)
	case len(wrong) > 0:
		return nil, fieldsProblem("invalid_value", wrong)
	}
	return values, nil
}
