package web

import "html/template"

// Field is an input of a form. Its texts are in the language of the page. A form that was rejected
// is shown again with the values that the user has typed, and with Error for each rejected field.
type Field struct {
	Name         string // of the input; also its id
	Type         string // "" = text; textarea, select, checkbox, radio, checkboxes, search, date, datetime-local, number
	Label        string
	Value        string
	Hint         string   // what to enter; "" = none
	Error        string   // why the value was rejected; "" = not rejected
	Options      []Option // for select, radio and checkboxes
	List         []string // suggestions for a text
	Checked      bool     // for checkbox
	Suffix       string   // for checkbox: added to the id, to distinguish checkboxes with the same Name
	Required     bool
	MaxLength    int    // characters; 0 = no limit in the browser
	Min, Max     string // for numbers and dates
	Autocomplete string
}

// Option is a choice of a [Field].
type Option struct {
	Value, Label string
	Selected     bool
}

// Field returns the label, the input, the hint and the error of a field.
func (p parts) Field(f Field) (template.HTML, error) {
	optional, err := p.own.Text("field.optional")
	if err != nil {
		return "", err
	}
	if f.Type == "search" || f.Type == "select" { // not marked as optional
		optional = ""
	}
	return p.render("field", struct {
		Field    Field
		Optional string
	}{f, optional})
}

// Errors returns the list of rejected fields above a form, with a link to each. It returns nothing
// if no field was rejected.
func (p parts) Errors(fields ...Field) (template.HTML, error) {
	var wrong []Field
	for _, f := range fields {
		if f.Error != "" {
			wrong = append(wrong, f)
		}
	}
	if len(wrong) == 0 {
		return "", nil
	}
	title, err := p.own.Text("field.errors")
	if err != nil {
		return "", err
	}
	return p.render("errors", struct {
		Title  string
		Fields []Field
	}{title, wrong})
}
