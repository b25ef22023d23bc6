// Package e2e tests the whole product in a real browser. It contains only tests.
//
// There are three fixtures:
//
//   - demo: "weigate demo" runs as a program, and the browser opens the addresses that the program
//     prints.
//   - sample app: the sample app and the simulator of WeChat run in the process of the test. Their
//     host names belong to different sites, as in production.
//   - gateway: a gateway runs with a simulator that, like WeChat, refuses browsers other than
//     WeChat's own. The tests set the User-Agent. The gateway runs as a program. If a test must move
//     the gateway's clock, the gateway runs in the process of the test instead.
//
// The simulator adds a marker to every code and token. The tests search responses for the marker, to
// find leaked codes and tokens.
//
// Most tests run twice: in English with the settings of a desktop, and in Chinese with the settings of
// a phone. These settings are the User-Agent and the width of the window. Many of the runs also
// resize the window, to check every page in both widths: title, language, labels, the width of the
// page's content, and messages in the console. axe-core, installed by npm, checks the accessibility
// of each page in light and in dark colours. Screenshots are stored in $WEIGATE_OUT/screenshots. The
// default of WEIGATE_OUT is the folder out in the repository.
//
// Without Chromium or npm the tests fail: "make deps" installs them.
package e2e
