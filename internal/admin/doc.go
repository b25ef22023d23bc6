// Package admin serves the pages of /admin. There, administrators approve and change users, make
// invitations and API keys, and read events and the state of the gateway.
//
// [New] makes a [Handler], and [Handler.Mount] registers its routes. All pages call package
// administration, as the HTTP API and the command line do: a page has no rule of its own about what
// an administrator may change. The package decides who may open the pages (see enter) and which of
// them need a recent sign-in (see page.fresh). It renders forms, and shows them again with their
// values when the input is invalid.
//
// The pages are made for a phone first, because administrators open them inside WeChat. They work
// without JavaScript. A GET request changes nothing.
package admin
