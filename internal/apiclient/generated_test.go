package apiclient

import (
	"flag"
	"os"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/oapi-codegen/oapi-codegen/v2/pkg/codegen"

	"github.com/weigate/weigate/internal/api"
)

var update = flag.Bool("update", false, "write client.gen.go again")

// document returns the OpenAPI document, validated with its examples.
func document(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(api.Document)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context(), openapi3.EnableExamplesValidation()); err != nil {
		t.Fatal(err)
	}
	return doc
}

// TestGeneratedClientIsFresh generates the client from the document and compares it with the file.
func TestGeneratedClientIsFresh(t *testing.T) {
	config := codegen.Configuration{PackageName: "apiclient"}.UpdateDefaults()
	config.Generate = codegen.GenerateOptions{Client: true, Models: true}
	if err := config.Validate(); err != nil {
		t.Fatal(err)
	}
	want, err := codegen.Generate(document(t), config)
	if err != nil {
		t.Fatal(err)
	}
	const name = "client.gen.go"
	if *update {
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != want {
		t.Errorf("%s is not what openapi.json describes: run go test -run TestGenerated -update", name)
	}
}
