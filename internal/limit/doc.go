// Package limit declares every bound on what clients can make the gateway do, and counts against
// them. Nothing that an anonymous client can cause is without a bound: memory, rows, CPU time,
// descriptors, calls to WeChat, log lines.
//
// [Table] lists the bounds; docs/en/limits.md and docs/zh-CN/limits.md show the same list, and a
// test compares them. A [Limiter] counts events by address, network or browser. It belongs to the
// process and not to one configuration, so a reload empties no bucket.
package limit
