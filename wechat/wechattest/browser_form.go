package wechattest

import (
	"net/url"
	"strconv"
	"strings"
)

// button finds what Submit is to press. The button is nil for a form without one.
func (p *Page) button(what string) (*Form, *Button) {
	if what == "" {
		if len(p.Forms) == 1 {
			return &p.Forms[0], p.Forms[0].first()
		}
		return nil, nil
	}
	for i := range p.Forms {
		for j := range p.Forms[i].Buttons {
			b := &p.Forms[i].Buttons[j]
			if what == b.Text || what == b.ID || b.Name != "" && (what == b.Name || what == b.Name+"="+b.Value) || what == b.Value {
				return &p.Forms[i], b
			}
		}
	}
	for i := range p.Forms {
		f := &p.Forms[i]
		u, err := url.Parse(f.Action)
		if what == f.ID || what == f.Name || err == nil && (what == u.Path || strings.HasSuffix(u.Path, "/"+what)) {
			return f, f.first()
		}
	}
	return nil, nil
}

func (f *Form) first() *Button {
	if len(f.Buttons) == 0 {
		return nil
	}
	return &f.Buttons[0]
}

// values are the fields in the order of the page, with fill in place of what stood there.
func (f *Form) values(fill url.Values) [][2]string {
	var out [][2]string
	used := map[string]bool{}
	for _, d := range f.Fields {
		vs, filled := fill[d.Name]
		switch {
		case filled && used[d.Name]:
		case filled:
			used[d.Name] = true
			for _, v := range vs {
				out = append(out, [2]string{d.Name, v})
			}
		case d.Sent:
			out = append(out, [2]string{d.Name, d.Value})
		}
	}
	for name, vs := range fill { // fields that a script would have made
		if !used[name] {
			for _, v := range vs {
				out = append(out, [2]string{name, v})
			}
		}
	}
	return out
}

// encodeForm keeps the order, which url.Values would lose.
func encodeForm(pairs [][2]string) string {
	var b strings.Builder
	for i, kv := range pairs {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(url.QueryEscape(kv[0]) + "=" + url.QueryEscape(kv[1]))
	}
	return b.String()
}

func withoutFragment(u *url.URL) string {
	c := *u
	c.Fragment, c.RawFragment = "", ""
	return c.String()
}

func linkNames(p *Page) string {
	var names []string
	for _, l := range p.Links {
		names = append(names, strconv.Quote(l.Text))
	}
	return listOr(names, "no links")
}

func buttonNames(p *Page) string {
	var names []string
	for _, f := range p.Forms {
		for _, b := range f.Buttons {
			names = append(names, strconv.Quote(b.Text))
		}
	}
	return listOr(names, "no buttons")
}

func listOr(names []string, none string) string {
	if len(names) == 0 {
		return none
	}
	return strings.Join(names, ", ")
}
