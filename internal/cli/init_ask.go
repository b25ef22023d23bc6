package cli

import (
	"cmp"
	"context"
	"errors"
	"io"
	"strings"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
)

// This file has the questions of "weigate init".

// ask asks for the values that are missing. Each question is repeated until the answer is valid.
func ask(s *invocation, a *answers) error {
	in, terminal := terminalOf(s)
	q := nextQuestion(a, terminal)
	for ; q != nil; q = nextQuestion(a, terminal) {
		if !terminal {
			return withHint(lang.Errorf("%s is missing, and stdin is not a terminal to ask", q.flag),
				"without a terminal, init needs --url, --appid, --secret-file and --access; for a personal account "+
					"--kind subscription_account, and --account-name in place of --secret-file")
		}
		if err := q.ask(s, in, a); err != nil {
			return err
		}
	}
	return nil
}

// nextQuestion returns the question for the first value that is missing, or nil. An appid does not
// show the kind of its account. So the question for the appid has an answer for personal accounts.
func nextQuestion(a *answers, terminal bool) *question {
	questions := []question{
		{flag: "--url", into: &a.URL, text: "Address of the gateway in browsers, such as https://login.example.com: "},
		{flag: "--appid", into: &a.AppID, text: "Appid of your account, such as wx0123456789abcdef: "},
		{flag: "--secret-file", into: &a.secret, secret: true, text: "AppSecret of the account (not shown): "},
		{flag: "--access", into: &a.Access, convert: accessAnswer, refusal: errors.New("enter 1 or 2"),
			text: "Who may sign in? 1 = users whom you approve or invite, 2 = everyone with WeChat [1]: "},
	}
	if a.Kind == "" && terminal {
		questions[1] = question{flag: "--appid", into: &a.AppID, personal: true,
			text: "Appid of your service account or test account, such as wx0123456789abcdef (p = I have a personal account): "}
	}
	if a.Personal() {
		questions[2] = question{flag: "--account-name", into: &a.AccountName,
			text: "Name of the account in WeChat, to which users send a message: "}
	}
	for _, q := range questions {
		if *q.into == "" {
			return &q
		}
	}
	return nil
}

// question asks for one answer.
type question struct {
	flag    string // the flag that sets the value too
	text    string
	into    *string
	secret  bool                // the terminal does not show the answer
	convert func(string) string // returns the value for an answer; nil = the answer is the value
	refusal error               // shown for every invalid answer; nil = the problem of the value
	// personal means that the answer "p" is allowed: the account is a personal account. The
	// question is then asked again, without the answer "p".
	personal bool
}

// accessAnswer returns the value for an answer to the question about access.
func accessAnswer(text string) string {
	switch strings.ToLower(text) {
	case "", "1":
		return string(gateway.AccessApproved)
	case "2":
		return string(gateway.AccessSignedIn)
	}
	return text
}

// ask repeats the question until its answer is valid.
func (q question) ask(s *invocation, in *terminalInput, a *answers) error {
	for {
		line, err := in.line(s.ctx, q.text, q.secret)
		switch {
		case errors.Is(err, io.EOF):
			return lang.Errorf("%s: no answer, nothing was written", q.flag)
		case err != nil:
			return err
		}
		*q.into = strings.TrimSpace(line)
		if q.personal && strings.EqualFold(*q.into, "p") {
			a.Kind, *q.into = string(config.SubscriptionAccount), ""
			return nil
		}
		if q.convert != nil {
			*q.into = q.convert(*q.into)
		}
		if problem := a.problemOf(q.flag, *q.into); problem != nil {
			// Without the flag, because the user has answered a question.
			problem = cmp.Or(q.refusal, problem)
			s.out.prompt("  %s\n", strings.ReplaceAll(s.out.texts.Error(problem), q.flag+": ", ""))
			*q.into = ""
			continue
		}
		return nil
	}
}

// problemOf returns the problem of the value for a flag, for this kind of account. It checks a
// configuration whose other values are valid placeholders.
func (a answers) problemOf(flag, value string) error {
	probe := answers{
		URL: "https://login.example.com", AppID: "wx0123456789abcdef", Access: "approved", Store: "weigate.db",
		secret: "0123456789abcdef0123456789abcdef",
	}
	if a.Personal() {
		probe.Kind, probe.AccountName, probe.secret = a.Kind, "Example", ""
		probe.token, probe.aesKey = newPushSecrets()
	}
	switch flag {
	case "--url":
		probe.URL = value
	case "--appid":
		probe.AppID = value
	case "--secret-file":
		probe.secret = value
	case "--account-name":
		probe.AccountName = value
	case "--access":
		probe.Access = value
	}
	if value == "" {
		return errors.New("an answer is required")
	}
	text, err := probe.text(lang.English)
	if err != nil {
		return err
	}
	return probe.check(text)
}

// errInterrupted means that the user ended init (Ctrl-C) while it waited for an answer.
var errInterrupted = errors.New("interrupted, nothing was written")

// lineResult is the result of reading a line.
type lineResult struct {
	text string
	err  error
}

// await returns the result of read, or errInterrupted if ctx ends first. read then still waits in
// its goroutine until the program ends.
func await(ctx context.Context, read func() (string, error)) (string, error) {
	done := make(chan lineResult, 1)
	go func() {
		text, err := read()
		done <- lineResult{text, err}
	}()
	select {
	case <-ctx.Done():
		return "", errInterrupted
	case r := <-done:
		return r.text, r.err
	}
}
