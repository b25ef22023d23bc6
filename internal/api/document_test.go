package api

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/administration"
)

var update = flag.Bool("update", false, "write openapi.json again; read it before you commit it")

// TestDocumentIsTheRouteTable makes the OpenAPI document from the list of operations, from which the
// routes are made too, and compares it with the file that is served. So no operation is missing in
// the document, which is what stopped users of Terraform elsewhere
// (Trozz/terraform-provider-pocketid#108, #109, #110).
func TestDocumentIsTheRouteTable(t *testing.T) {
	t.Parallel()
	var want bytes.Buffer
	encoder := json.NewEncoder(&want)
	encoder.SetIndent("", " ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(newDocument().build(t)); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("openapi.json", want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(want.Bytes(), Document) {
		t.Error("openapi.json is not what the operations say: run go test ./internal/api -run TestDocument -update")
	}
}

// object is a JSON object.
type object = map[string]any

// document builds the OpenAPI document.
type document struct {
	schemas object
}

func newDocument() *document { return &document{schemas: object{}} }

func (d *document) build(t *testing.T) object {
	paths := object{}
	for _, o := range operations {
		item, _ := paths[o.path].(object)
		if item == nil {
			item = object{}
			paths[o.path] = item
		}
		item[strings.ToLower(o.method)] = d.operation(t, o)
	}
	problem := d.schema(reflect.TypeFor[Problem]())
	return object{
		// Version 3.0: generators of clients read it better than 3.1.
		"openapi": "3.0.3",
		"info": object{
			"title": "Weigate administration", "version": "1",
			"description": "Administration of a Weigate gateway for other programs, above all off-boarding. An administrator " +
				"makes an API key at /admin or by the command weigate api-key. Every operation names the scope that a key " +
				"needs in x-scope. Errors are problem details (RFC 9457). In version 1, operations, fields and codes are " +
				"added and never change: ignore fields that you do not know.",
			"license": object{"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
		},
		"servers":  []object{{"url": Path, "description": "below the url of your gateway"}},
		"security": []object{{"key": []string{}}},
		"paths":    paths,
		"components": object{
			"schemas": d.schemas,
			"securitySchemes": object{"key": object{
				"type": "http", "scheme": "bearer", "description": "an API key, which begins with weigate_key_",
			}},
			"responses": object{"Problem": object{
				"description": "What happened, whose side has to act, and what to do. The operation lists the codes in x-codes.",
				"content":     object{"application/problem+json": object{"schema": problem, "example": exampleProblem}},
			}},
		},
	}
}

// codesOf returns the codes of the problems that an operation can have.
func codesOf(o operation) []string {
	codes := []string{
		"missing_key", "missing_scope", "unknown_parameter", "invalid_value", "too_many_requests", "fault", "unavailable",
	}
	if o.body != nil {
		codes = append(codes, "invalid_json", "body_too_large", "unsupported_media_type")
	}
	return append(codes, o.codes...)
}

func (d *document) operation(t *testing.T, o operation) object {
	description := o.text
	if o.scope != "" {
		description = strings.TrimSpace(description + " Scope: " + o.scope + ".")
	}
	responses := object{"default": object{"$ref": "#/components/responses/Problem"}}
	success := object{"description": "done"}
	switch {
	case o.media != nil:
		content := object{}
		for _, media := range o.media {
			content[media] = object{"schema": object{"type": "string"}}
		}
		success["content"] = content
	case o.answer != nil:
		success["content"] = d.content(t, o.answer)
	}
	if o.etag {
		success["headers"] = object{"ETag": object{
			"description": "version of the user, for If-Match", "schema": object{"type": "string"},
		}}
	}
	responses[strconv.Itoa(o.successStatus())] = success
	if o.list {
		responses["207"] = object{
			"description": "some rows were done, others were left", "content": d.content(t, o.answer),
		}
	}
	out := object{
		"operationId": o.id, "summary": o.summary, "tags": []string{strings.Split(o.path, "/")[1]}, "responses": responses,
		"x-codes": codesOf(o),
	}
	if description != "" {
		out["description"] = description
	}
	if o.scope != "" {
		out["x-scope"] = o.scope
	}
	if parameters := parametersOf(o); len(parameters) > 0 {
		out["parameters"] = parameters
	}
	if o.body != nil {
		out["requestBody"] = object{"required": true, "content": d.content(t, o.body)}
	}
	return out
}

// wildcard matches a variable part of a path.
var wildcard = regexp.MustCompile(`\{(\w+)\}`)

func parametersOf(o operation) (out []object) {
	for _, m := range wildcard.FindAllStringSubmatch(o.path, -1) {
		out = append(out, object{
			"name": m[1], "in": "path", "required": true, "description": "id of the " + m[1],
			"schema": object{"type": "string"}, "example": pathExamples[m[1]],
		})
	}
	for _, p := range o.query {
		out = append(out, object{
			"name": p.name, "in": "query", "required": p.required, "description": p.doc, "schema": p.schema(), "example": p.like,
		})
	}
	if o.ifMatch {
		out = append(out, object{
			"name": "If-Match", "in": "header", "required": false, "description": "ETag of the user that the caller has read",
			"schema": object{"type": "string"}, "example": `"1764403200000000"`,
		})
	}
	return out
}

func (p parameter) schema() object {
	switch p.kind {
	case wordKind:
		return object{"type": "string", "enum": p.words}
	case numberKind:
		return object{"type": "integer", "minimum": 1, "maximum": p.most}
	case boolKind:
		return object{"type": "boolean"}
	case timeKind:
		return object{"type": "string", "format": "date-time"}
	case textKind:
		return object{"type": "string", "maxLength": maxText}
	}
	return object{"type": "string"}
}

// content returns the content of a body in JSON, with an example.
func (d *document) content(t *testing.T, zero any) object {
	typ := reflect.TypeOf(zero)
	example, found := examples[typ]
	if !found {
		t.Errorf("%s has no example", typ)
	}
	return object{"application/json": object{"schema": d.schema(typ), "example": example}}
}

// schema returns the schema of a type. Structs are components, described by the tags of their fields.
func (d *document) schema(t reflect.Type) object {
	switch {
	case t == timeType:
		return object{"type": "string", "format": "date-time"}
	case t.Kind() == reflect.Pointer:
		return d.schema(t.Elem())
	case t.Kind() == reflect.Slice:
		return object{"type": "array", "items": d.schema(t.Elem())}
	case t.Kind() == reflect.String:
		return object{"type": "string"}
	case t.Kind() == reflect.Bool:
		return object{"type": "boolean"}
	case t.Kind() == reflect.Int:
		return object{"type": "integer"}
	case t.Kind() == reflect.Int64:
		return object{"type": "integer", "format": "int64"}
	case t.Kind() != reflect.Struct:
		panic(fmt.Sprintf("no schema for %s", t))
	}
	ref := object{"$ref": "#/components/schemas/" + t.Name()}
	if d.schemas[t.Name()] != nil {
		return ref
	}
	properties, required := object{}, []string{}
	d.schemas[t.Name()] = object{"type": "object", "properties": properties} // a type may contain itself
	for i := range t.NumField() {
		f := t.Field(i)
		name, optional := jsonName(f)
		if name == "" {
			continue
		}
		if !optional {
			required = append(required, name)
		}
		properties[name] = d.property(f)
	}
	slices.Sort(required)
	schema := object{"type": "object", "properties": properties}
	if len(required) > 0 {
		schema["required"] = required
	}
	if isBody(t) {
		schema["additionalProperties"] = false
	}
	d.schemas[t.Name()] = schema
	return ref
}

func (d *document) property(f reflect.StructField) object {
	s := d.schema(f.Type)
	if s["$ref"] != nil {
		return s
	}
	s["description"] = f.Tag.Get("doc")
	if words := f.Tag.Get("enum"); words != "" {
		s["enum"] = strings.Split(words, ",")
	}
	if most := f.Tag.Get("max"); most != "" {
		n, err := strconv.Atoi(most)
		if err != nil {
			panic(err)
		}
		if s["type"] == "array" {
			s["maxItems"] = n
		} else {
			s["maxLength"] = n
		}
	}
	return s
}

// isBody reports whether a type is the body of a request.
func isBody(t reflect.Type) bool {
	return slices.ContainsFunc(operations, func(o operation) bool { return o.body != nil && reflect.TypeOf(o.body) == t })
}

// TestOperations checks what the document cannot show: that ids are unique, that every scope exists,
// that nothing but the key itself is without a scope, and that GET changes nothing by its scope.
func TestOperations(t *testing.T) {
	t.Parallel()
	ids := map[string]bool{}
	used := map[string]bool{}
	for _, o := range operations {
		if ids[o.id] {
			t.Errorf("two operations have the id %s", o.id)
		}
		ids[o.id] = true
		used[o.scope] = true
		if o.scope == "" && o.path != "/key" {
			t.Errorf("%s needs no scope", o.id)
		}
		if o.scope != "" && !slices.Contains(administration.Scopes(), o.scope) {
			t.Errorf("%s: no key can have the scope %s", o.id, o.scope)
		}
		if reads := strings.HasSuffix(o.scope, ":read"); o.scope != "" && reads != (o.method == http.MethodGet) {
			t.Errorf("%s %s has the scope %s", o.method, o.path, o.scope)
		}
		for _, code := range o.codes {
			problemKindOf(code) // panics if there is none
		}
		if strings.Contains(o.path, "key") && o.path != "/key" {
			t.Errorf("%s: the API must not make or change keys", o.path)
		}
	}
	for _, scope := range administration.Scopes() {
		if !used[scope] {
			t.Errorf("no operation needs the scope %s", scope)
		}
	}
}

// TestAnswersHaveNoRecords: an answer is made of the types of this package only, so that a field that
// is added to a stored record does not appear in answers automatically.
func TestAnswersHaveNoRecords(t *testing.T) {
	t.Parallel()
	d := newDocument()
	d.build(t)
	here := reflect.TypeFor[User]().PkgPath()
	var check func(typ reflect.Type)
	check = func(typ reflect.Type) {
		switch typ.Kind() {
		case reflect.Pointer, reflect.Slice:
			check(typ.Elem())
		case reflect.Struct:
			if typ != timeType && typ.PkgPath() != here {
				t.Errorf("an answer contains %s", typ)
				return
			}
			for i := range typ.NumField() {
				if typ != timeType {
					check(typ.Field(i).Type)
				}
			}
		}
	}
	for _, o := range operations {
		if o.answer != nil {
			check(reflect.TypeOf(o.answer))
		}
	}
}
