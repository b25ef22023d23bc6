package app

import "net/url"

// Routes returns the patterns of all routes.
func (a *App) Routes() ([]string, error) {
	u, err := url.Parse(a.options.Config.URL)
	if err != nil {
		return nil, err
	}
	mux, _, err := a.mount(a.options.Config, u)
	if err != nil {
		return nil, err
	}
	return mux.Patterns(), nil
}
