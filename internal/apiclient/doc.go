// Package apiclient has a client of the gateway's HTTP API, which oapi-codegen generates from the
// OpenAPI document. Its tests call every operation with the client against a running gateway. They
// also validate the document and each response with kin-openapi.
//
// The package is a module of its own, so that the generator and the validator stay out of the main
// module. It is only for the tests: generate the client of your own program from
// /api/v1/openapi.json.
package apiclient
