package simulator

import "github.com/weigate/weigate/internal/lang"

// English returns the English texts of the control page, and the keys of all texts.
func English() (texts lang.Texts, keys []string) {
	c := lang.MustLoad(files, "files")
	return c.In(lang.English), c.Keys()
}

// QuirkNames returns the names of all quirks.
func QuirkNames() []string {
	var names []string
	for _, f := range quirkFields() {
		names = append(names, f.field)
	}
	return names
}
