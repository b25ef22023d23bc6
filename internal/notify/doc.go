// Package notify sends notices to administrators: to group robots of WeCom, Feishu and DingTalk, to
// Slack, and as signed JSON.
//
// Features call [Notifier.Notify], which returns at once. [Notifier.Run] writes the notices to the
// store as deliveries, and package delivery passes them to [Notifier.Sender]:
//
//	Notify → memory → Run → store → delivery.Worker → Sender → robot
//
// The notices for one robot within a minute become one message. The platforms accept about 20
// messages a minute. After more messages, some platforms reject all messages for ten minutes. A
// receiver of signed JSON gets a request for each notice.
//
// Robots report errors with HTTP status 200, so robot.go reads their error codes. The URL of a
// robot is a credential: no error, log line or delivery contains the URL. Notices contain the names
// of users, and users choose their names. message.go replaces the characters with which a name could
// notify everybody or make a link.
package notify
