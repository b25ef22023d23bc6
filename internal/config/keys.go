package config

// Keys lists every key of the file by its path, in the order in which the example has them: "session.idle", "wechat[].name". The reference pages are
// held against it.
func Keys() []string {
	var out []string
	below := func(prefix string, keys []string) {
		for _, k := range keys {
			out = append(out, prefix+k)
		}
	}
	for _, k := range topKeys() {
		switch k {
		case "session":
			below("session.", sessionKeys())
		case "names":
			below("names.", namesKeys())
		case "events":
			below("events.", eventsKeys())
		case "log":
			below("log.", logKeys())
		case "wechat":
			below("wechat[].", connectorKeys())
		case "apps":
			out = append(out, appPaths()...)
		default:
			out = append(out, k)
		}
	}
	return out
}

func appPaths() []string {
	var out []string
	for _, k := range appKeys() {
		path := "apps[]." + k
		var sub []string
		switch k {
		case "access":
			out = append(out, path) // it may be one word
			sub = accessKeys()
		case "email":
			sub = emailKeys()
		case "lifetimes":
			sub = lifetimeKeys()
		default:
			out = append(out, path)
		}
		for _, s := range sub {
			out = append(out, path+"."+s)
		}
	}
	return out
}
