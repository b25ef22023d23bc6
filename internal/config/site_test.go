package config_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/config"
)

func TestSite(t *testing.T) {
	t.Parallel()
	_, rest, _ := strings.Cut(example(t), "  time_zone:")
	before, _, _ := strings.Cut(example(t), "site:\n")
	_, rest, _ = strings.Cut(rest, "\n")
	text := before + `site:
  title: Example Login
  contact: mailto:admin@example.com
  texts: {zh-CN: {title: 示例登录, contact: "微信：admin"}, en: {terms_url: https://www.example.com/terms}}
  color: "#0b5cad"
  logo: ../../web/files/icon.svg
  icp: 京ICP备12345678号-1
  icp_hosts: {wiki.example.com: 京ICP备12345678号-2}
  police: 京公网安备11010502030000号
  police_icon: ../../web/files/icon.png
  time_zone: Asia/Shanghai
` + rest
	c, err := config.Parse("testdata/weigate.yaml", []byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	s := c.Site
	if s.Title != "Example Login" || s.InChinese.Title != "示例登录" || s.InEnglish.Title != "" ||
		s.InEnglish.TermsURL != "https://www.example.com/terms" || s.Contact != "mailto:admin@example.com" ||
		s.Color != "#0b5cad" || s.Logo.Type != "image/svg+xml" || s.LogoDark.Type != "" {
		t.Errorf("%+v", s)
	}
	if got := time.Unix(0, 0).In(s.TimeZone).Format(time.RFC3339); got != "1970-01-01T08:00:00+08:00" {
		t.Errorf("time zone: %s", got)
	}
	if s.ICPHosts["wiki.example.com"] != "京ICP备12345678号-2" || s.PoliceIcon.Type != "image/png" {
		t.Errorf("numbers of hosts %v, picture %q", s.ICPHosts, s.PoliceIcon.Type)
	}
	if got := s.PoliceURL(); got != "https://beian.mps.gov.cn/#/query/webSearch?code=11010502030000" {
		t.Errorf("police: %s", got)
	}
}

// TestICPHosts warns of numbers for hosts that have no pages, such as a misspelled one.
func TestICPHosts(t *testing.T) {
	t.Parallel()
	const text = `url: https://login.example.com
trusted_proxies: [127.0.0.1]
wechat: [{name: main, kind: official_account, appid: wx0123456789abcdef, secret: x}]
apps:
  - {id: wiki, kind: forward_auth, access: signed_in, hosts: ["wiki.example.com:8443", "*.apps.example.com"]}
site:
  icp_hosts:
    login.example.com: 京ICP备12345678号-1
    wiki.example.com: 京ICP备12345678号-2
    one.apps.example.com: 京ICP备12345678号-3
    shop.example.com: 京ICP备12345678号-4
    one.two.apps.example.com: 京ICP备12345678号-5
    apps.example.com: 京ICP备12345678号-6
`
	c, err := config.Parse("weigate.yaml", []byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, w := range c.Warnings {
		got = append(got, w.String())
	}
	const problem = ": site.icp_hosts: no page has this host: it is neither the host of url " +
		"nor a host of a forward_auth app"
	want := []string{"weigate.yaml:11" + problem, "weigate.yaml:12" + problem, "weigate.yaml:13" + problem}
	if !slices.Equal(got, want) {
		t.Errorf("%s", strings.Join(got, "\n"))
	}
}
