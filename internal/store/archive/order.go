package archive

// Order returns the tables, sorted so that each table comes after the tables that its rows refer
// to. Apart from that, the tables keep their order. So a database can check the references while the
// rows are inserted. references has, for each table, the tables that it refers to; those that are not
// in tables are ignored.
func Order(tables []string, references map[string][]string) []string {
	known := map[string]bool{}
	for _, t := range tables {
		known[t] = true
	}
	ordered := make([]string, 0, len(tables))
	added := map[string]bool{}
	var add func(string)
	add = func(t string) {
		if added[t] || !known[t] {
			return
		}
		added[t] = true
		for _, first := range references[t] {
			add(first)
		}
		ordered = append(ordered, t)
	}
	for _, t := range tables {
		add(t)
	}
	return ordered
}
