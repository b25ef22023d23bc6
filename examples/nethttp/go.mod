module github.com/weigate/weigate/examples/nethttp

go 1.26.0

require github.com/weigate/weigate v0.0.0

replace github.com/weigate/weigate => ../..
