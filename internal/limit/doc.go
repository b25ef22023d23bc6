// Package limit declares the bounds on what clients can make the gateway do, and limits rates.
// Everything that an anonymous client can cause has a bound: memory, rows, CPU time, descriptors,
// calls to WeChat, log lines.
//
// [Table] lists the bounds. docs/en/limits.md and docs/zh-CN/limits.md show this list, and a test
// compares the pages with Table. A [Limiter] limits rates: it has a token bucket for each address,
// network or browser. A Limiter lives as long as the process, so a reload of the configuration
// keeps the buckets.
package limit
