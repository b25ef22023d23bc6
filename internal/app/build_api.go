package app

import (
	"net/http"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/api"
	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/route"
)

// administrationServices are the parts for administrators and their programs.
type administrationServices struct {
	administration *administration.Service
	api            *api.Handler
}

// addAPI builds the administration service, and the HTTP API on it.
func (a *App) addAPI(c *config.Config, s *services) (err error) {
	s.administration, err = NewAdministration(c, AdministrationOptions{
		Store: a.store, MasterKeys: a.options.Sealer.IDs(), TestNotice: a.notices.notifier.Test, Logger: a.options.Logger,
		Now: a.options.Now, Certificates: a.certificates,
	})
	if err != nil {
		return err
	}
	s.api, err = api.New(api.Config{
		URL: c.URL, Service: s.administration, Limits: a.limits, RequestID: route.RequestID,
		Logger: a.options.Logger, Now: a.options.Now,
	})
	return err
}

// failureResponse returns the function that responds to a request that the router rejects: with JSON
// for the API, and with a page for everything else.
func failureResponse(
	h *api.Handler, page func(http.ResponseWriter, *http.Request, route.Failure),
) func(http.ResponseWriter, *http.Request, route.Failure) {
	return func(w http.ResponseWriter, r *http.Request, f route.Failure) {
		if h.Serves(r) {
			h.Fail(w, r, f)
			return
		}
		page(w, r, f)
	}
}
