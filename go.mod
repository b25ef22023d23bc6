module github.com/weigate/weigate

go 1.26
