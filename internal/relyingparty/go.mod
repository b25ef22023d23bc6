module github.com/weigate/weigate/internal/relyingparty

go 1.26.0

require (
	github.com/coreos/go-oidc/v3 v3.21.0
	github.com/markbates/goth v1.82.0
	github.com/weigate/weigate v0.0.0
	go.yaml.in/yaml/v4 v4.0.0
	golang.org/x/oauth2 v0.37.0
)

require github.com/go-jose/go-jose/v4 v4.1.9 // indirect

replace github.com/weigate/weigate => ../..
