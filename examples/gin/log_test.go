package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/weigate/weigate/internal/leaktest"
)

// gin's default logger logs the query, and that of the callback has WeChat's
// code.
func TestAccessLogHoldsNoCode(t *testing.T) {
	file := filepath.Join(t.TempDir(), "access.log")
	out, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	stdout := gin.DefaultWriter
	gin.DefaultWriter = out
	defer func() { gin.DefaultWriter = stdout }()

	app, phone := start(t)
	if _, err := phone.Open(t.Context(), app+"/account"); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), `"/wechat/callback"`) {
		t.Errorf("the callback is not in the access log:\n%s", text)
	}
	if found := leaktest.Find(text); found != "" {
		t.Errorf("the access log holds %s:\n%s", found, text)
	}
}
