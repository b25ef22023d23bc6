package useragent_test

import (
	"os"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/useragent"
	"github.com/weigate/weigate/wechat/wechattest"
)

// The table has the cases of matomo-org/device-detector#8069 (WeCom on Windows is a desktop),
// bowser-js/bowser#380 (WeChat for Mac says WindowsWechat) and chjtx/JRoll#89 (HarmonyOS tablets).
func TestRealUserAgentsAreRead(t *testing.T) {
	t.Parallel()
	table, err := os.ReadFile("testdata/user-agents.tsv")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for line := range strings.Lines(string(table)) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "#") {
			continue
		}
		columns := strings.Split(line, "\t")
		if len(columns) != 6 {
			t.Fatalf("%d columns: %s", len(columns), line)
		}
		source, text := columns[4], columns[5]
		if seen[text] || source == "-" {
			t.Errorf("a user agent without a source, or for the second time: %s", text)
		}
		seen[text] = true
		a := useragent.Parse(text)
		got := strings.Join([]string{a.Client.String(), a.Device.String(), string(a.System), a.Browser}, " ")
		want := strings.TrimSuffix(strings.Join(columns[:4], " "), "-")
		if got != want {
			t.Errorf("%s\n%s\n\tis read as %q, want %q", source, text, got, want)
		}
		if upper := useragent.Parse(strings.ToUpper(text)); upper != a {
			t.Errorf("in upper case %+v, want %+v: %s", upper, a, text)
		}
	}
	if len(seen) < 60 {
		t.Errorf("only %d user agents", len(seen))
	}
}

// ua-parser/uap-core#652: browsers on HarmonyOS add "Android" to the platform for old web sites.
func TestHarmonyPCThatNamesAndroidIsADesktop(t *testing.T) {
	t.Parallel()
	a := useragent.Parse("Mozilla/5.0 (PC; OpenHarmony 6.0; Android 10) Chrome/132.0.0.0 Safari/537.36 ArkWeb/6.0.0.130")
	if a.Handheld() || a.System != useragent.HarmonyOS {
		t.Errorf("read as %s on %s", a.Device, a.System)
	}
}

func TestNameHasOnlyWordsOfThisPackage(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                             "",
		"curl/8.0":                     "",
		"SomeThing/1.0 (Windows NT 6)": "Windows",
		"Mozilla/5.0 (iPhone; call 0900-12345) Version/18.0 Mobile/15E148 Safari/604.1": "Safari, iPhone",
		"Mozilla/5.0 (iPad; CPU OS 18_0) Version/18.0 Mobile/15E148 Safari/604.1":       "Safari, iPad",
		strings.Repeat("x", 2000) + " MicroMessenger/8 (iPhone)":                        "",
		"(((": "",
	} {
		if got := useragent.Parse(text).String(); got != want {
			t.Errorf("%q is shown as %q, want %q", text, got, want)
		}
	}
}

// The simulator writes its user agents itself. A phone of the simulator must look to this package
// like the phone that it stands for.
func TestSimulatedPhonesAreRead(t *testing.T) {
	t.Parallel()
	sim, err := wechattest.New(wechattest.Config{})
	if err != nil {
		t.Fatal(err)
	}
	phone := sim.Phone("alice")
	for browser, want := range map[wechattest.Browser]useragent.Agent{
		wechattest.BrowserWeChat: {
			Client: useragent.WeChat, Device: useragent.Phone, System: useragent.Android, Browser: "WeChat"},
		wechattest.BrowserWeChatIPhone: {
			Client: useragent.WeChat, Device: useragent.Phone, System: useragent.IOS, Browser: "WeChat"},
		wechattest.BrowserWeChatWindows: {
			Client: useragent.WeChat, Device: useragent.Desktop, System: useragent.Windows, Browser: "WeChat"},
		wechattest.BrowserWeCom: {
			Client: useragent.WeCom, Device: useragent.Phone, System: useragent.Android, Browser: "WeCom"},
		wechattest.BrowserChrome: {Device: useragent.Phone, System: useragent.Android, Browser: "Chrome"},
		wechattest.BrowserSafari: {Device: useragent.Phone, System: useragent.IOS, Browser: "Safari"},
	} {
		phone.SetBrowser(browser)
		if got := useragent.Parse(phone.UserAgent()); got != want {
			t.Errorf("%s is read as %+v, want %+v", browser, got, want)
		}
	}
}
