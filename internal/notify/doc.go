// Package notify sends notices to administrators: to group robots of WeCom, Feishu and DingTalk, to
// Slack, and as signed JSON.
//
// Features call [Notifier.Notify], which returns at once. [Notifier.Run] writes the notices to the
// store as deliveries, and package delivery passes them to [Notifier.Sender]:
//
//	Notify → memory → Run → store → delivery.Worker → Sender → robot
//
// Notices of a robot within a minute become one message. The platforms limit messages to about 20 a
// minute and are silent for ten minutes beyond. Each receiver of signed JSON gets one request for
// each notice.
//
// Robots answer errors with HTTP status 200, so their error codes decide (robot.go). The address of
// a robot is a credential: no error, log line or delivery contains it. Names were chosen by users:
// message.go replaces the characters that could notify everybody or make a link.
package notify
