package web

import (
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// waitingRefresh is how often the page of a user who waits for approval reloads.
const waitingRefresh = 10 * time.Second

// UserOf returns the data of a user that pages show.
func UserOf(u gateway.User) *User { return &User{Nickname: u.Nickname, Picture: u.AvatarURL} }

// WaitingPage returns the page for a user who waits for an administrator's approval. It loads the
// address of the same request again automatically, and shows the user id, which the administrator
// needs.
func WaitingPage(app gateway.App, u gateway.User, again string) Page {
	return Page{Kind: Waiting, App: app.Name, User: UserOf(u), UserID: &UserID{ID: u.ID}, Go: again,
		ContinueAfter: waitingRefresh}
}

// ConfirmPage returns the page that asks a signed-in user whether to sign in again, since the app
// requires it.
func ConfirmPage(app gateway.App, u gateway.User, proceed string) Page {
	return Page{Kind: ConfirmSignIn, App: app.Name, User: UserOf(u), Go: proceed}
}
