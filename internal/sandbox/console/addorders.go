package console

import (
	"errors"
	"io"
	"net/http"

	"github.com/ksher-go/ksher/internal/sandbox/core"
)

// maxFileBytes bounds a file of orders, far above one of ten thousand.
const maxFileBytes = 8 << 20

// readBody reads the body of a request, if it isn't longer than that.
func readBody(r *http.Request, limit int64) ([]byte, error) {
	text, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, limit))
	if err != nil {
		return nil, &statusError{http.StatusRequestEntityTooLarge, "the body can't be read: " + err.Error()}
	}
	return text, nil
}

// addedData is how many orders were added.
type addedData struct {
	Added int `json:"added"`
}

// addOrders adds the orders of a file.
func (c *Console) addOrders(r *http.Request) (any, error) {
	file, err := readBody(r, maxFileBytes)
	if err != nil {
		return nil, err
	}
	n, err := c.gw.AddOrders(file)
	switch {
	case errors.Is(err, core.ErrStore):
		return nil, err
	case err != nil:
		return nil, &statusError{http.StatusBadRequest, err.Error()}
	}
	return addedData{n}, nil
}
