package console

import (
	_ "embed"
	"net/http"
)

// openAPI describes the routes, and the flags of the program.
//
//go:embed openapi.yaml
var openAPI []byte

func serveOpenAPI(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/yaml")
	w.Write(openAPI)
}
