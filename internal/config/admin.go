package config

import "net/netip"

// Admin configures the pages of administrators.
type Admin struct {
	Addresses []netip.Prefix // networks from which the pages may be opened; empty = all
}

func adminKeys() []key[Admin] {
	return []key[Admin]{{name: "addresses", noEnv: true, read: readAdminAddresses}}
}

func readAdminAddresses(_ *section, v value, a *Admin) {
	texts, at := v.texts()
	for i, text := range texts {
		prefix, err := parsePrefix(text)
		if err != nil {
			at[i].reject("must be an IP address, or a network such as 10.0.0.0/8")
			continue
		}
		a.Addresses = append(a.Addresses, prefix)
	}
}
