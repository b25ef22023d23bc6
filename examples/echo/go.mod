module github.com/weigate/weigate/examples/echo

go 1.26.0

require (
	github.com/weigate/weigate v0.0.0
	github.com/weigate/weigate/login/echologin v0.0.0
)

require (
	github.com/labstack/echo/v5 v5.4.4
	golang.org/x/time v0.15.0 // indirect
)

replace (
	github.com/weigate/weigate => ../..
	github.com/weigate/weigate/login/echologin => ../../login/echologin
)
