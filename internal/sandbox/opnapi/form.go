package opnapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"

	"github.com/ksher-go/ksher/internal/sandbox/core"
)

// readParams reads the parameters of a request: those in its body, in a form or in JSON,
// and those in the query of a GET.
func readParams(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, core.MaxRequestBytes))
	if err != nil {
		return nil, err
	}
	params, err := readBody(r.Header.Get("Content-Type"), body)
	if err != nil || r.Method == http.MethodPost {
		return params, err
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	maps.Copy(params, query)
	return params, err
}

func readBody(contentType string, body []byte) (url.Values, error) {
	kind, _, _ := mime.ParseMediaType(contentType)
	switch {
	case len(body) == 0:
		return url.Values{}, nil
	case kind == "application/json":
		return readJSON(body)
	case kind == "application/x-www-form-urlencoded":
		return url.ParseQuery(string(body))
	}
	return nil, fmt.Errorf("it is %q", kind)
}

// readJSON reads a JSON object as a form: a member of an object is name[member], and one
// of a list name[].
func readJSON(body []byte) (url.Values, error) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var object map[string]any
	if err := decoder.Decode(&object); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, errors.New("something follows the object")
	}
	form := url.Values{}
	for name, value := range object {
		if err := addValue(form, name, value, maxDepth); err != nil {
			return nil, err
		}
	}
	return form, nil
}

// maxDepth bounds how deep objects may be in one another, far beyond what Opn's are.
const maxDepth = 5

// addValue adds a value of JSON to a form. Null is left out.
func addValue(form url.Values, name string, value any, depth int) error {
	if depth == 0 {
		return fmt.Errorf("%s is too deep", name)
	}
	switch value := value.(type) {
	case nil:
	case map[string]any:
		for member, inner := range value {
			if err := addValue(form, name+"["+member+"]", inner, depth-1); err != nil {
				return err
			}
		}
	case []any:
		for _, inner := range value {
			if err := addValue(form, name+"[]", inner, depth-1); err != nil {
				return err
			}
		}
	default:
		form.Add(name, fmt.Sprint(value))
	}
	return nil
}
