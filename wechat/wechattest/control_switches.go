package wechattest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// A choice is one position of a switch that has more than two.
type choice struct {
	name  string // in the JSON and in the catalogue, as "choice-NAME"
	value int
}

// A switchField is one field of Switches as the control page and the JSON interface show it. The fields are read off the
// struct, so a switch that is added there appears here; a test then asks for its words.
type switchField struct {
	field string // name in Switches
	json  string // the same with a small first letter
}

// switchFields are the fields of Switches in their order.
func switchFields() []switchField {
	t := reflect.TypeFor[Switches]()
	out := make([]switchField, t.NumField())
	for i := range out {
		name := t.Field(i).Name
		out[i] = switchField{field: name, json: strings.ToLower(name[:1]) + name[1:]}
	}
	return out
}

// switchChoices are the positions of the switches that are enumerations, by the name of their type.
func switchChoices(typ reflect.Type) []choice {
	switch typ {
	case reflect.TypeFor[DoubleCallback]():
		return []choice{{"off", int(DoubleOff)}, {"first", int(DoubleFirst)}, {"together", int(DoubleTogether)},
			{"late", int(DoubleLate)}, {"otherCode", int(DoubleOtherCode)}}
	case reflect.TypeFor[UsedCode]():
		return []choice{{"thenInvalid", int(UsedThenInvalid)}, {"isInvalid", int(UsedIsInvalid)}}
	case reflect.TypeFor[Suffix]():
		return []choice{{"rid", int(SuffixRID)}, {"hints", int(SuffixHints)}, {"none", int(SuffixNone)}}
	case reflect.TypeFor[Dirty]():
		return []choice{{"off", int(DirtyOff)}, {"control", int(DirtyControl)}, {"utf8", int(DirtyUTF8)},
			{"emoji", int(DirtyEmoji)}, {"noAvatar", int(DirtyNoAvatar)}}
	}
	return nil
}

// get is the position of a switch as JSON has it: a boolean, a number, or a word.
func (f switchField) get(s *Switches) any {
	v := reflect.ValueOf(s).Elem().FieldByName(f.field)
	for _, c := range switchChoices(v.Type()) {
		if int64(c.value) == v.Int() {
			return c.name
		}
	}
	if v.Type() == reflect.TypeFor[time.Duration]() {
		return time.Duration(v.Int()).String()
	}
	return v.Interface()
}

// set puts a switch in the position that text says: true or false, a number, a duration, the name of a choice.
func (f switchField) set(s *Switches, text string) error {
	v := reflect.ValueOf(s).Elem().FieldByName(f.field)
	if choices := switchChoices(v.Type()); choices != nil {
		var names []string
		for _, c := range choices {
			if c.name == text {
				v.SetInt(int64(c.value))
				return nil
			}
			names = append(names, c.name)
		}
		return fmt.Errorf("switch %s: %q is not one of %s", f.json, text, strings.Join(names, ", "))
	}
	switch {
	case v.Type() == reflect.TypeFor[time.Duration]():
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 || d > 10*time.Minute {
			return fmt.Errorf("switch %s: %q is not a duration between 0s and 10m", f.json, text)
		}
		v.SetInt(int64(d))
	case v.Kind() == reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("switch %s: %q is neither true nor false", f.json, text)
		}
		v.SetBool(b)
	case v.Kind() == reflect.Int:
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return fmt.Errorf("switch %s: %q is not a number", f.json, text)
		}
		v.SetInt(int64(n))
	default:
		v.SetString(text)
	}
	return nil
}

// switchesJSON are all switches by their JSON names.
func switchesJSON(s Switches) map[string]any {
	out := map[string]any{}
	for _, f := range switchFields() {
		out[f.json] = f.get(&s)
	}
	return out
}

// setSwitches changes the switches that values name, all of them or, with an error, none.
func (s *Server) setSwitches(values map[string]string) error {
	next := s.Switches()
	known := map[string]switchField{}
	for _, f := range switchFields() {
		known[f.json] = f
	}
	for name, text := range values {
		f, ok := known[name]
		if !ok {
			return fmt.Errorf("there is no switch %q", name)
		}
		if err := f.set(&next, text); err != nil {
			return err
		}
	}
	if as := next.ConsentAs; as != "" && !s.hasPerson(as) {
		return fmt.Errorf("switch consentAs: there is no person %q", as)
	}
	// Only what was named is written, so that a change made meanwhile elsewhere stays.
	s.Switch(func(now *Switches) {
		for name, text := range values {
			_ = known[name].set(now, text) // it was good a moment ago
		}
	})
	return nil
}

// jsonText is a JSON value as the text that set takes.
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
	return "", fmt.Errorf("%s is neither a text nor a number nor true or false", raw)
}
