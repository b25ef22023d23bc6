package cli

import (
	"bufio"
	"context"
	"os"

	"golang.org/x/term"
)

// terminalInput reads the answers of a user from a terminal.
type terminalInput struct {
	file  *os.File
	lines *bufio.Reader
	out   printer
}

// terminalOf returns stdin if it is a terminal.
func terminalOf(s *invocation) (in *terminalInput, ok bool) {
	f, ok := s.in.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil, false
	}
	return &terminalInput{file: f, lines: bufio.NewReader(f), out: s.out}, true
}

// line prints a question and reads a line. With secret, the terminal does not show what is typed. The
// error is io.EOF at the end of the input.
func (t *terminalInput) line(ctx context.Context, question string, secret bool) (string, error) {
	t.out.prompt("%s", t.out.texts.Translate(question))
	if !secret {
		return await(ctx, func() (string, error) { return t.lines.ReadString('\n') })
	}
	fd := int(t.file.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	defer func() {
		_ = term.Restore(fd, before) // after an interruption, ReadPassword has not done it
		t.out.prompt("\n")
	}()
	return await(ctx, func() (string, error) {
		text, err := term.ReadPassword(fd)
		return string(text), err
	})
}
