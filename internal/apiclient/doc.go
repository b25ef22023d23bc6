// Package apiclient is a client of the gateway's HTTP API that oapi-codegen generates from the
// OpenAPI document, and the tests that call every operation with it against a running gateway. The
// tests also validate the document and each response with kin-openapi.
//
// It is a module of its own, so that the generator and the validator stay out of the main module. No
// program uses it. A new client for a program of yours is made from /api/v1/openapi.json.
package apiclient
