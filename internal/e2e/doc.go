// Package e2e drives the whole product in a real browser. It has tests only.
//
// Three worlds are driven. In one, "weigate demo" runs as its user starts it, as a program, and the
// browser is led by what the program prints. In another, the sample app and the simulated WeChat
// run inside the test, with secrets planted in every code and token and a search for them in all
// that the app answers; the two stand on names of different sites there, as in real life. In the third,
// the gateway stands beside a WeChat that believes only WeChat's own browsers: as a program, or inside
// the test where its clock has to move.
//
// Every page that a test comes by is looked at: title, language, labels, no part wider than the
// screen, nothing in the console. axe-core judges each, in light colours and in dark ones; npm brings
// it. Pictures of them go to the folder screenshots in $WEIGATE_OUT, or in the folder out of the
// repository.
//
// Without Chromium or npm the tests fail: "make deps" brings them.
package e2e
