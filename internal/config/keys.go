package config

// Keys returns the path of every key in the order of the example file: "session.idle",
// "wechat[].name". A test compares the reference pages with it.
func Keys() []string { return paths(topKeys()) }

// paths returns the paths of keys. A mapping is represented by the keys below it.
func paths[T any](keys []key[T]) (out []string) {
	for _, k := range keys {
		if k.below == nil {
			out = append(out, k.name)
		}
		out = append(out, prefixed(k.name, k.below)...)
	}
	return out
}

// prefixed returns paths with a prefix: a name, "." for the keys of a mapping, "[]." for those of a
// list's items.
func prefixed(prefix string, paths []string) (out []string) {
	for _, path := range paths {
		out = append(out, prefix+path)
	}
	return out
}
