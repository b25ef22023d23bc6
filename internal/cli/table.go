package cli

import (
	"fmt"
	"strings"

	"golang.org/x/text/width"

	"github.com/weigate/weigate/internal/lang"
)

// row has the cells of a row of a table. A cell is a string, or a lang.Message, which is
// translated.
type row []any

// cells returns a row.
func cells(cells ...any) row { return cells }

// field returns the row of a table with a name and a value. The name is translated.
func field(name string, value any) row { return cells(lang.Text(name), value) }

// printTable prints rows below a head, in aligned columns. The head is a row, or a text with the
// titles of the columns, such as "ID | NAME", which is translated. An empty cell of rows is printed
// as "-".
func (p printer) printTable(head any, rows []row) error {
	first, isRow := head.(row)
	if !isRow {
		for _, title := range strings.Split(p.texts.Translate(fmt.Sprint(head)), " | ") {
			first = append(first, title)
		}
	}
	var table [][]string
	for _, r := range append([]row{first}, rows...) {
		var line []string
		for _, cell := range r {
			text := printable(p.text(cell))
			if text == "" && len(table) > 0 { // not in the head
				text = "-"
			}
			line = append(line, text)
		}
		table = append(table, line)
	}
	for _, line := range alignColumns(table) {
		if _, err := fmt.Fprintln(p.out, line); err != nil {
			return err
		}
	}
	return nil
}

// text returns a message or an error in the language of the terminal, and another value unchanged.
func (p printer) text(value any) string {
	switch value := value.(type) {
	case lang.Message:
		return p.texts.Text(value)
	case lang.Localizer:
		return value.Localize(p.texts)
	case error:
		return p.texts.Error(value)
	}
	return fmt.Sprint(value)
}

// alignColumns joins the cells of each line, with two spaces between the columns. The last cell of a line
// is not padded.
func alignColumns(table [][]string) []string {
	var widths []int
	for _, line := range table {
		for i, cell := range line {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			if i < len(line)-1 {
				widths[i] = max(widths[i], displayWidth(cell))
			}
		}
	}
	var out []string
	for _, line := range table {
		var b strings.Builder
		for i, cell := range line {
			b.WriteString(cell)
			if i < len(line)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-displayWidth(cell)+2))
			}
		}
		out = append(out, strings.TrimRight(b.String(), " "))
	}
	return out
}

// displayWidth returns how many columns of a terminal a text has. A Chinese character has two.
func displayWidth(text string) (columns int) {
	for _, r := range text {
		columns++
		if kind := width.LookupRune(r).Kind(); kind == width.EastAsianWide || kind == width.EastAsianFullwidth {
			columns++
		}
	}
	return columns
}
