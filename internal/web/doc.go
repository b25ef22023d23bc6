// Package web renders the pages of the gateway, in English and Chinese, and turns errors into
// responses.
//
// [New] makes a [Site] and checks everything that is embedded. [Site.Show] writes a [Page].
// [Site.Error] is the one place where an error becomes a status, a page or JSON, and a log line.
//
// A page is data: its [Kind] chooses text, status and color, and its fields have the addresses of
// its buttons. All text is in two catalogues with the same keys. Pages work without JavaScript;
// pictures come from WeChat's hosts only, and no address of the gateway is sent as Referer.
package web
