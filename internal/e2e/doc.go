// Package e2e tests the whole product in a real browser. It has tests only.
//
// There are three fixtures. In the first, "weigate demo" runs as a program, as its user starts it,
// and the browser opens the addresses that the program prints. In the second, the sample app and
// the simulator of WeChat run in the process of the test: every code and token contains a planted
// secret, and the responses of the app are searched for it. The two have names of different sites,
// as in production. In the third, the gateway runs with a simulator that serves only WeChat's own
// browsers: as a program, or in the process of the test where its clock must move.
//
// A test runs its steps in English on a desktop and in Chinese on a phone, and checks each page in
// both widths: title, language, labels, the width of its content, and messages in the console.
// axe-core, installed by npm, checks it in light and in dark colours. Screenshots are stored in the
// folder screenshots of $WEIGATE_OUT, or of the folder out in the repository.
//
// Without Chromium or npm the tests fail: "make deps" installs them.
package e2e
