// Package limit declares every bound on what clients can make the gateway do, and counts against
// them. Nothing that an anonymous client can cause is without a bound: memory, rows, CPU time,
// descriptors, calls to WeChat, log lines.
//
// [Table] lists the bounds; docs/en/limits.md and docs/zh-CN/limits.md show the same list, and a
// test compares them. A [Limiter] limits rates with token buckets, one for each address, network or
// browser. It lives as long as the process, so the buckets are kept when the configuration is
// reloaded.
package limit
