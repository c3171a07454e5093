package oauth

import (
	"html/template"
	"net/http"
	"net/url"

	"github.com/portreeve/portreeve/internal/web"
)

// postPage sends an answer by a form (OAuth 2.0 Form Post Response Mode). The
// script is a file of the portal's; without it there is a button.
var postPage = template.Must(template.New("post").Parse(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Back to the program</title>
<link rel="stylesheet" href="/style.css">
<script src="/onward.js" defer></script>
</head>
<body>
<main id="main">
<form method="post" action="{{.To}}" data-onward>
{{range $name, $values := .Fields}}{{range $values}}<input type="hidden" name="{{$name}}" value="{{.}}">
{{end}}{{end}}<button>Back to the program</button>
</form>
</main>
</body>
</html>
`))

// post sends an answer to an address that was checked. The page may send its
// form there and nowhere else.
func (s *Server) post(w http.ResponseWriter, to string, fields url.Values) {
	target, ok := web.FormTarget(to)
	if !ok {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; base-uri 'none'; form-action "+target+"; frame-ancestors 'none'")
	h.Set("Content-Type", "text/html; charset=utf-8")
	page := struct {
		To     template.URL // checked to be the program's own, and kept to the letter
		Fields url.Values
	}{template.URL(to), fields}
	if err := postPage.Execute(w, page); err != nil {
		s.Fault.Warn("cannot send a form", "err", err)
	}
}
