package cli

import (
	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/gateway"
)

// waitingCmd is "weigate waiting".
type waitingCmd struct {
	adminFlags
	App   string `placeholder:"ID" help:"Only requests for this app."`
	Limit int    `default:"50" help:"Maximum number (${default}, at most 500)."`
}

// Run prints who waits for which app, the oldest request first.
func (c *waitingCmd) Run(s *invocation) error {
	svc, closeStore, err := c.service(s)
	if err != nil {
		return err
	}
	defer closeStore()
	if err := checkLimit(c.Limit); err != nil {
		return err
	}
	waiting, err := svc.Waiting(s.ctx, gateway.WaitingQuery{App: c.App, Limit: c.Limit})
	if err != nil {
		return err
	}
	err = printList(s, c.JSON, waiting, "Nobody waits.", "USER | NAME | NICKNAME | APP | METHOD | SINCE",
		func(w gateway.WaitingUser) any {
			return waitingEntry{Request: newRequestEntry(w.Request), User: administration.ExportUser(w.User)}
		},
		func(w gateway.WaitingUser) row {
			return cells(w.User.ID, w.User.RealName, w.User.Nickname, w.Request.App,
				s.word("method", w.Request.Method), s.formatTime(w.Request.RequestedAt))
		})
	if err == nil && !c.JSON && len(waiting) > 0 {
		s.out.printf("\nUsers choose names and nicknames freely: check the end of the id with the person first.\n" +
			"Continue with: weigate user approve USER --app APP, or refuse")
	}
	return err
}
