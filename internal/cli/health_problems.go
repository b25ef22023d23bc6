package cli

import (
	"strconv"
	"strings"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/errcode"
	"github.com/weigate/weigate/internal/lang"
)

// This file describes the problems of "weigate health" in the language of the terminal.

// problemAdvice has what to do about problems, by the keys of administration.Advice. The pages of
// administrators have the same texts, and a test compares them. Package errcode has those about
// WeChat's errcodes.
var problemAdvice = map[string]lang.Message{
	"wechat.other": lang.Text(
		"WeChat refused a request. Look the number up in WeChat’s documentation (全局返回码)."),
	"app.invalid_client": lang.Text(
		"The app sent a wrong secret. Compare the secret in the app with the one in the configuration."),
	"app.invalid_redirect_uri": lang.Text(
		"The app sent a redirect URI that is not registered. Add it below redirect_uris, exactly as in " +
			"the detail."),
	"app.invalid_grant": lang.Text(
		"The app sent a code or token that does not work any more. If it occurs often, check the clocks " +
			"and whether the app redeems codes twice."),
	"app.logout_failed": lang.Text("The app did not accept a sign-out. Check its back-channel logout address."),
	"app.other":         lang.Text("Requests of this app fail. The request id leads to the line in the log."),
	"certificate.not_loaded": lang.Text(
		"The certificate files changed and cannot be used. The previous certificate stays in use until " +
			"it expires. Correct the files."),
	"certificate.not_issued": lang.Text(
		"The certificate authority issued no certificate. Check that port 443 or 80 of the gateway is " +
			"reachable from the internet."),
	"certificate.expiring": lang.Text(
		"The certificate expires soon. Renew it, and check what should have done so."),
	"proxy.not_trusted": lang.Text(
		"All users behind this proxy seem to have one IP address: rate limits count them together, and " +
			"events show the wrong address. Add it to trusted_proxies only if it is your reverse proxy, and " +
			"nothing else reaches the gateway from this address: Docker and load balancers may give all " +
			"clients one address."),
	"proxy.reports_nobody": lang.Text(
		"All users behind this proxy seem to have one IP address, because it does not report theirs. " +
			"Set the header X-Forwarded-For in the reverse proxy."),
	"notify.other": lang.Text(
		"A webhook did not accept a message. Check its address and secret, and send a test."),
	"other": lang.Text("The request id leads to the line in the log."),
}

// adviceAbout returns what to do about a problem.
func (s *invocation) adviceAbout(p administration.Problem) string {
	if code, err := strconv.Atoi(p.Code); err == nil && strings.HasPrefix(p.Source, "wechat:") {
		return errcode.Explain(s.language(), code).Do
	}
	return s.out.texts.Text(problemAdvice[p.Advice])
}

// problemSource returns where a problem is: "app:wiki", in Chinese as on the pages.
func (s *invocation) problemSource(source string) string {
	kind, name, found := strings.Cut(source, ":")
	if word := s.word("source", kind); found && word != kind {
		return strings.ReplaceAll(word, "{name}", name)
	}
	return source
}
