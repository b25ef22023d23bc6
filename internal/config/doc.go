// Package config reads the gateway's configuration: one YAML file, and the environment over it.
//
// [Load] returns a [Config], a plain struct whose values are checked and whose defaults are filled in. What is wrong comes back all at once, as
// [Problems], each with its line; [Config.Warnings] are what an operator should know and what stops nothing. [Keys] lists every key, [NeedsRestart]
// tells which changes a running gateway cannot take up.
//
// # The environment
//
// Every key that holds one value can also be given as an environment variable, which wins over the file. Its name is WEIGATE_ and the path of the
// key in capital letters, with an underscore for everything that is not a letter or a digit; an item of a list goes by its name or id:
//
//	listen                          WEIGATE_LISTEN
//	session: {idle: 24h}            WEIGATE_SESSION_IDLE
//	wechat: [{name: main, secret}]  WEIGATE_WECHAT_MAIN_SECRET (or …_SECRET_FILE)
//	apps: [{id: my-wiki, secret}]   WEIGATE_APPS_MY_WIKI_SECRET, two values with a space between
//	the master key itself           WEIGATE_MASTER_KEY, which has no key in the file
//
// Lists and whole entries stand in the file only. An empty variable counts as not set. A variable that begins with WEIGATE_ and is none of ours is
// no error: Kubernetes makes such names (WEIGATE_SERVICE_HOST) for every container beside a service called weigate.
//
// # What a problem may say
//
// No problem repeats a value. A secret that slipped onto the wrong line would stand in the log; the line number tells as much. The YAML library's own
// messages quote values, so they are never shown.
//
// The package reads the file and the secret files that it names, and does nothing else: it opens no store and asks nobody.
package config
