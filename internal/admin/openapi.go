package admin

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/portreeve/portreeve/internal/admintoken"
)

// The OpenAPI document is made of what serves: the table of routes, the types
// that the handlers answer with and read. Graph's resources are not in it: their
// manual is Microsoft's.

type object = map[string]any

// openAPI is the document, written once.
var openAPI = sync.OnceValues(func() (json.RawMessage, error) { return json.Marshal(apiDocument()) })

// showOpenAPI answers with the document.
func (a *api) showOpenAPI(*http.Request) (any, error) {
	text, err := openAPI()
	return raw{"application/json", text}, err
}

// apiDocument is the whole document.
func apiDocument() object {
	s, asks := &schemas{known: object{}}, &schemas{asking: true}
	asks.known = s.known
	s.known["Error"] = errorSchema
	paths := object{}
	for pattern, x := range resources {
		method, path, _ := strings.Cut(pattern, " ")
		if !strings.HasPrefix(path, "/portreeve/") {
			continue
		}
		at, ok := paths[path].(object)
		if !ok {
			at = object{}
			paths[path] = at
		}
		at[strings.ToLower(method)] = operation(s, asks, pattern, x)
	}
	paths["/{tenant}/oauth2/v2.0/token"] = tokenPath
	scopes := object{}
	for _, sc := range admintoken.Scopes() {
		scopes[string(sc)] = "held by " + oneOf(rolesWith(sc))
	}
	return object{
		"openapi":           "3.1.0",
		"jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
		"info": object{"title": "Portreeve", "version": "1",
			"description": "Our own resources. Beside them stand Microsoft Graph's under /v1.0 and /beta (docs/api.md)."},
		"servers":  []any{object{"url": "/", "description": "the listener for administrators (admin.address)"}},
		"security": []any{object{"token": []string{}}},
		"paths":    paths,
		"components": object{"schemas": s.known,
			"responses": object{"Error": object{"description": "what went wrong, in Graph's shape",
				"content": object{"application/json": object{"schema": object{"$ref": "#/components/schemas/Error"}}}}},
			"securitySchemes": object{"token": object{"type": "http", "scheme": "bearer", "description": "an administrator's token, or a bearer token made of it"},
				"clientCredentials": object{"type": "oauth2", "flows": object{"clientCredentials": object{"tokenUrl": "/portreeve/oauth2/v2.0/token", "scopes": scopes}}}}},
	}
}

func rolesWith(s admintoken.Scope) (all []string) {
	for _, r := range admintoken.Roles() {
		if slices.Contains(r.Scopes(), s) {
			all = append(all, string(r))
		}
	}
	return all
}

var placeholders = regexp.MustCompile(`\{(\w+)\}`)

// operation is one route in the document.
func operation(s, asks *schemas, pattern string, x resource) object {
	method, path, _ := strings.Cut(pattern, " ")
	form := forms[pattern]
	var parameters []any
	for _, m := range placeholders.FindAllStringSubmatch(path, -1) {
		parameters = append(parameters, object{"name": m[1], "in": "path", "required": true, "schema": object{"type": "string"}})
	}
	for _, q := range form.query {
		parameters = append(parameters, object{"name": q, "in": "query", "schema": object{"type": "string"}})
	}
	if method != http.MethodGet {
		parameters = append(parameters, object{"name": "X-Reason", "in": "header", "description": "why, for the audit", "schema": object{"type": "string"}})
	}
	op := object{"summary": x.says, "operationId": operationID(method, path), "parameters": parameters, "responses": object{}}
	if op["parameters"] == nil || len(parameters) == 0 {
		delete(op, "parameters")
	}
	if x.scope == localOnly {
		op["description"] = "Heard over the server's own socket alone."
		op["security"] = []any{}
		op["x-portreeve-local"] = true
	} else {
		op["description"] = "Needs the scope " + string(x.scope) + "."
		op["x-portreeve-scope"] = string(x.scope)
	}
	if form.in != nil {
		op["requestBody"] = object{"required": true, "content": object{"application/json": object{"schema": asks.of(form.in)}}}
	} else if form.takes != "" {
		op["requestBody"] = object{"required": true, "content": object{form.takes: object{}}}
	}
	answers := op["responses"].(object)
	answers["default"] = object{"$ref": "#/components/responses/Error"}
	for _, status := range form.statuses(method) {
		answers[status] = form.answer(s, status)
	}
	return op
}

// operationID is a name for generators of clients: getPeopleByIdFactors.
func operationID(method, path string) string {
	id := strings.ToLower(method)
	for part := range strings.SplitSeq(strings.TrimPrefix(path, "/portreeve/v1/"), "/") {
		if m := placeholders.FindStringSubmatch(part); m != nil {
			part = "By-" + m[1]
		}
		for word := range strings.FieldsFuncSeq(part, func(r rune) bool { return r == '.' || r == '-' }) {
			id += strings.ToUpper(word[:1]) + word[1:]
		}
	}
	return id
}

var errorSchema = object{"type": "object", "required": []string{"error"}, "additionalProperties": false, "properties": object{
	"error": object{"type": "object", "required": []string{"code", "message", "innerError"}, "additionalProperties": false, "properties": object{
		"code": object{"type": "string"}, "message": object{"type": "string"},
		"target":          object{"type": "string", "description": "the member, row or scope that it is about"},
		"@portreeve.next": object{"type": "string", "description": "what to do about it"},
		"details":         object{"type": "array", "items": object{"type": "object"}},
		"innerError": object{"type": "object", "required": []string{"date", "request-id", "client-request-id"}, "properties": object{
			"date": object{"type": "string"}, "request-id": object{"type": "string"}, "client-request-id": object{"type": "string"}}}}}}}

// tokenPath is the token endpoint, Entra's form.
var tokenPath = object{"post": object{"summary": "exchange an administrator's token for a bearer token", "operationId": "postToken", "security": []any{},
	"parameters": []any{object{"name": "tenant", "in": "path", "required": true, "schema": object{"type": "string"}, "description": "any name"}},
	"requestBody": object{"required": true, "content": object{"application/x-www-form-urlencoded": object{"schema": object{"type": "object",
		"required": []string{"grant_type", "client_id", "client_secret", "scope"}, "properties": object{"grant_type": object{"const": "client_credentials"},
			"client_id": object{"type": "string"}, "client_secret": object{"type": "string"}, "scope": object{"type": "string"}}}}}},
	"responses": object{
		"200": object{"description": "a bearer token", "content": object{"application/json": object{"schema": object{"type": "object",
			"required": []string{"token_type", "expires_in", "access_token"}, "properties": object{"token_type": object{"const": "Bearer"},
				"expires_in": object{"type": "integer"}, "ext_expires_in": object{"type": "integer"}, "access_token": object{"type": "string"}}}}}},
		"default": object{"description": "why not (RFC 6749, 5.2)", "content": object{"application/json": object{"schema": object{"type": "object",
			"required": []string{"error"}, "properties": object{"error": object{"type": "string"}, "error_description": object{"type": "string"}}}}}}}}}
