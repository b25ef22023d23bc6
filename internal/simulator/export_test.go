package simulator

import "github.com/weigate/weigate/internal/catalog"

// Texts returns the texts of the control page in English and Chinese.
func Texts() (en, zh map[string]string) {
	all := catalog.MustLoad(files, "files", "en", "zh-CN")
	return all[0].Texts, all[1].Texts
}

// QuirkNames returns the names of all quirks.
func QuirkNames() []string {
	var names []string
	for _, f := range quirkFields() {
		names = append(names, f.field)
	}
	return names
}
