// Package web shows the gateway's pages to people, in English and Chinese, and turns errors into answers.
//
// The names to know are [New], which checks everything that is embedded, [Site.Show] with a [Page] of one of the kinds, and [Site.Error], the one place
// where an error becomes a status, a page or JSON, and a log line.
//
// A page is data: its [Kind] chooses words, status and colour, and the fields say where its buttons lead. All text is in the two catalogues, which have
// the same keys. Pages work without JavaScript and under a policy that allows none; pictures come from WeChat's hosts and nowhere else, and no address
// of ours goes out as a Referer.
//
// What it does not do: it decides nothing, and it knows neither WeChat nor OpenID Connect.
package web
