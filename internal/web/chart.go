package web

import (
	"fmt"
	"html/template"
	"strconv"
)

// Chart is a bar chart. For each label, the bars of all series are stacked.
type Chart struct {
	ID     string // identifies it on the page
	Title  string
	Column string   // what the labels are, such as "Hour"
	Series []string // names of the series, at most 6: document.css has six colors
	Labels []string // of the bars, from left to right
	Values [][]int  // Values[i][j] is the value of series j at label i
}

// Sizes of a chart, in CSS pixels.
const (
	chartLeft   = 44  // width of the axis with numbers
	chartHeight = 180 // height of the bars
	chartTop    = 10  // space above the bars
	chartBelow  = 24  // height of the labels, below the bars
	barStep     = 26  // from one bar to the next
	barWidth    = 18
	labelWidth  = 52 // the least distance between two labels
)

// Chart returns a bar chart as SVG, with all values in a table below it. The table is the text
// alternative.
func (p parts) Chart(c Chart) (template.HTML, error) {
	table, err := p.own.Text("chart.table")
	if err != nil {
		return "", err
	}
	// The chart is at least ten bars wide. The labels keep 8 pixels from the axis, and 6 from the
	// lower edge.
	d := drawing{Chart: c, Left: chartLeft, LabelX: chartLeft - 8, Width: chartLeft + max(len(c.Labels), 10)*barStep,
		Height: chartTop + chartHeight + chartBelow, BaseY: chartTop + chartHeight + chartBelow - 6,
		Columns: c.Series}
	d.Words.Table, d.Words.Column = table, c.Column
	if len(c.Series) > 1 {
		for i, name := range c.Series {
			d.Legend = append(d.Legend, legend{Number: i, Label: name})
		}
	}
	d.draw()
	return p.render("chart", d)
}

// drawing is the data of the template of a chart.
type drawing struct {
	Chart
	// LabelX is the right end of the labels of the lines. BaseY is the baseline of the labels of the
	// bars.
	Left, LabelX, Width, Height, BaseY int
	Legend                             []legend
	Lines                              []gridLine
	Bars                               []bar
	Labels                             []axisLabel // hides Chart.Labels
	Columns                            []string
	Rows                               []chartRow
	Words                              struct{ Table, Column string }
}

type legend struct {
	Number int
	Label  string
}

type gridLine struct {
	Y, TextY int // of the line, and of the baseline of its label
	Label    string
}

type bar struct {
	Series, X, Y, Width, Height int
	Title                       string
}

type axisLabel struct {
	X     int
	Label string
}

type chartRow struct {
	Label  string
	Values []int
}

// draw places the bars, the lines and the labels.
func (d *drawing) draw() {
	greatest := 1 // also without values: draw divides by top
	for _, values := range d.Values {
		greatest = max(greatest, sum(values))
	}
	step := gridStep(greatest)
	top := (greatest + step - 1) / step * step
	for n := 0; n <= top; n += step {
		y := chartTop + chartHeight - n*chartHeight/top
		d.Lines = append(d.Lines, gridLine{Y: y, TextY: y + 4, Label: strconv.Itoa(n)})
	}
	every := (labelWidth + barStep - 1) / barStep // bars from one label to the next
	for i, label := range d.Chart.Labels {
		x := chartLeft + i*barStep + (barStep-barWidth)/2
		if i%every == 0 {
			d.Labels = append(d.Labels, axisLabel{X: x + barWidth/2, Label: label})
		}
		row := chartRow{Label: label}
		below := 0 // sum of the series below
		for j, value := range d.Values[i] {
			row.Values = append(row.Values, value)
			low := below * chartHeight / top
			below += value
			high := below * chartHeight / top
			if value > 0 { // a bar has at least one pixel
				d.Bars = append(d.Bars, bar{
					Series: j, X: x, Y: chartTop + chartHeight - max(high, low+1), Width: barWidth, Height: max(high-low, 1),
					Title: fmt.Sprintf("%s · %s: %d", label, d.Series[j], value),
				})
			}
		}
		d.Rows = append(d.Rows, row)
	}
}

// gridStep returns the distance of the lines of a chart: 1, 2 or 5 times a power of ten, so that
// there are at most five lines above zero.
func gridStep(greatest int) int {
	for power := 1; ; power *= 10 {
		for _, n := range []int{1, 2, 5} {
			if n*power*5 >= greatest {
				return n * power
			}
		}
	}
}

func sum(values []int) (total int) {
	for _, n := range values {
		total += n
	}
	return total
}
