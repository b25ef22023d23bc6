// Package e2e tests the whole product in a real browser. It contains only tests.
//
// There are three fixtures. In the first, "weigate demo" runs as a program, and the browser opens
// the addresses that the program prints. In the second, the sample app and the simulator of WeChat
// run in the process of the test. Every code and token contains a marker. The tests search the
// app's responses for the marker, to find leaked codes and tokens. The app and the simulator have
// host names of different sites, as in production. In the third, the gateway runs with a simulator
// that, like WeChat, refuses browsers other than WeChat's own: the tests set the User-Agent. The
// gateway is a program, or runs in the process of the test if the test must move its clock.
//
// Most tests run twice: in English on a desktop, and in Chinese on a phone. In each of the two runs
// they check every page in the width of a desktop and in the width of a phone: title, language,
// labels, the width of its content, and messages in the console. axe-core, installed by npm, checks
// the accessibility of each page in light and in dark colours. Screenshots are stored in
// $WEIGATE_OUT/screenshots. The default of WEIGATE_OUT is the folder out in the repository.
//
// Without Chromium or npm the tests fail: "make deps" installs them.
package e2e
