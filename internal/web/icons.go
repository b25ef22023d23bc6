package web

import "html/template"

// iconPaths are the drawings of the icons, in a square of 24 units, drawn with lines.
var iconPaths = map[string]string{
	"home":    "M4 11l8-7 8 7v8.500a.5.5 0 0 1-.5.5H15v-6H9v6H4.500a.5.5 0 0 1-.5-.5z",
	"waiting": "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16zM12 8v4.500l3 2",
	"users": "M9 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8z" +
		"M2.500 20c.5-3.500 3-5.500 6.500-5.500s6 2 6.500 5.500" +
		"M16 4.500a3.700 3.700 0 0 1 0 7M18 15c2 .8 3.200 2.500 3.500 5",
	"user":        "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4.500 20c.6-3.500 3.500-5.500 7.500-5.500s6.900 2 7.500 5.500",
	"apps":        "M4.500 4.500h6v6h-6zM13.500 4.500h6v6h-6zM4.500 13.500h6v6h-6zM13.500 13.500h6v6h-6z",
	"invitations": "M3.500 6h17v12h-17zM3.500 7l8.500 6.500L20.500 7",
	"events":      "M5 6h.1M9 6h10M5 12h.1M9 12h10M5 18h.1M9 18h10",
	"health":      "M3 12.500h4l2.500-6 4 11.500 2.500-5.500h5",
	"keys":        "M8.500 19a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM11.300 12.200L19 4.500M16 7.500l2.500 2.500",
	"settings":    "M4 7h9M17 7h3M15 5v4M4 17h3M11 17h9M9 15v4",
	"more":        "M6 12h.1M12 12h.1M18 12h.1",
	"browsers":    "M3.500 5h17v14h-17zM3.500 9.500h17M6.500 7.200h.1",
	"other":       "M12 5a7 7 0 1 0 0 14 7 7 0 0 0 0-14z",
}

// svgIcon returns an icon. It is decoration: the text beside it has its meaning.
func svgIcon(name string) template.HTML {
	path, found := iconPaths[name]
	if !found {
		path = iconPaths["other"]
	}
	return template.HTML(`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false"><path d="` + path +
		`"/></svg>`)
}
