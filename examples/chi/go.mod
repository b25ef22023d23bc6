module github.com/weigate/weigate/examples/chi

go 1.26.0

require github.com/weigate/weigate v0.0.0

require github.com/go-chi/chi/v5 v5.5.0

replace github.com/weigate/weigate => ../..
