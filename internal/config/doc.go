// Package config reads the gateway's configuration from a YAML file and from environment variables.
//
// [Load] returns a [Config] with checked values and with defaults. If the configuration is invalid,
// it returns all [Problems], each with its line. [Config.Warnings] are problems that do not prevent
// a start. [Keys] lists every key, and [NeedsRestart] those that a running gateway cannot change.
//
// # Environment variables
//
// Every key with a single value can also be set by an environment variable, which has priority over
// the file. Its name is WEIGATE_ and the path of the key in capital letters, with an underscore for
// each sequence of other characters. Items of a list are named by their name or id:
//
//	listen                          WEIGATE_LISTEN
//	session: {idle: 24h}            WEIGATE_SESSION_IDLE
//	wechat: [{name: main, secret}]  WEIGATE_WECHAT_MAIN_SECRET (or …_SECRET_FILE)
//	apps: [{id: my-wiki, secret}]   WEIGATE_APPS_MY_WIKI_SECRET, two values separated by a space
//	the master key itself           WEIGATE_MASTER_KEY, which has no key in the file
//
// Lists, connectors and apps cannot be set by variables. An empty variable counts as unset. Unknown
// variables that start with WEIGATE_ are ignored: Kubernetes sets some (WEIGATE_SERVICE_HOST) in
// every container beside a service named weigate.
//
// # Redaction
//
// A problem never repeats a value, because a misplaced secret would appear in a log; the line
// number is enough to find it. The errors of the YAML library quote values and are never shown.
package config
