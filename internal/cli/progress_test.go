package cli

import (
	"bytes"
	"testing"
	"time"
)

func TestProgress(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	now := time.Unix(0, 0)
	g := newProgress(printer{err: &out}, "%d lines", 1000)
	g.update(1)
	g.done()
	if out.Len() > 0 {
		t.Errorf("in a pipe it prints %q", out.String())
	}
	g.enabled, g.started, g.now = true, now, func() time.Time { return now }
	now = now.Add(5 * time.Second)
	g.update(250)
	g.update(251) // too soon
	if want := clearLine + "250 lines of 1000 (25%), 50/s, 15s left"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
	out.Reset()
	g.out.texts, now = chinese(), now.Add(time.Second)
	g.update(600)
	g.done()
	if want := clearLine + "600 行，共 1000（60%），100/s，剩余 4s" + clearLine; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}
