module github.com/weigate/weigate/login/echologin

go 1.26.0

require (
	github.com/labstack/echo/v5 v5.4.4
	github.com/weigate/weigate v0.0.0
)

replace github.com/weigate/weigate => ../..
