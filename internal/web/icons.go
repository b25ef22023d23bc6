package web

import "html/template"

// iconPaths are the drawings of the icons: SVG paths in a square of 24 units, drawn as lines.
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

	// The icons of apps: gateway.AppIcons.
	"book": "M12 6.500C10 5 7 4.500 3.500 4.500v13.500c3.500 0 6.500.5 8.500 2 2-1.500 5-2 8.500-2V4.500" +
		"C17 4.500 14 5 12 6.500zM12 6.500V20",
	"calendar": "M4 6h16v14H4zM4 10.500h16M8 3.500V7M16 3.500V7M8 14h.1M12 14h.1M16 14h.1M8 17h.1M12 17h.1",
	"camera":   "M3.500 7.500h4l1.500-2.500h6l1.500 2.500h4V19h-17zM12 10a3.500 3.500 0 1 0 0 7 3.500 3.500 0 0 0 0-7z",
	"chart":    "M4 4v16h16M8.500 16v-4M12.500 16V8M16.500 16v-6",
	"chat":     "M4 5h16v11h-8.500L7 20v-4H4zM8 10.500h.1M12 10.500h.1M16 10.500h.1",
	"code":     "M8 7.500L3.500 12 8 16.500M16 7.500l4.500 4.500-4.500 4.500M13.500 5l-3 14",
	"database": "M12 4c-4 0-7 1.100-7 2.500S8 9 12 9s7-1.100 7-2.500S16 4 12 4z" +
		"M5 6.500v11C5 18.900 8 20 12 20s7-1.100 7-2.500v-11M5 12c0 1.400 3 2.500 7 2.500s7-1.100 7-2.500",
	"files": "M3.500 6h6l2 2.500h9V19h-17z",
	"mail":  "M3.500 6h17v12h-17zM3.500 7l8.500 6.500L20.500 7",
	"shop":  "M5.500 8.500h13l1 11.500h-15zM9 11V7a3 3 0 0 1 6 0v4",
	"tasks": "M4 6.500l1.500 1.500L8 5.500M4 12.500l1.500 1.500L8 11.500M4 18.500l1.500 1.500L8 17.500" +
		"M11.500 7H20M11.500 13H20M11.500 19H20",
	"tools": "M14.500 6.500a4 4 0 0 1 5-1l-2.500 2.500 1 1 2.500-2.500a4 4 0 0 1-5.300 4.700L8 18.500" +
		"A1.800 1.800 0 0 1 5.500 16l7.300-7.200a4 4 0 0 1 1.700-2.300z",
}

// svgIcon returns the icon with a name, and "other" for an unknown name. Screen readers skip icons,
// since each has a text beside it.
func svgIcon(name string) template.HTML {
	path, found := iconPaths[name]
	if !found {
		path = iconPaths["other"]
	}
	return template.HTML(`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false"><path d="` + path +
		`"/></svg>`)
}
