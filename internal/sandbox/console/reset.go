package console

import (
	"net/http"

	"github.com/ksher-go/ksher/internal/sandbox/core"
)

// reset makes the gateway what it was at the start.
func (c *Console) reset(r *http.Request) (any, error) {
	if err := decode(r, new(struct{})); err != nil {
		return nil, err
	}
	if err := c.gw.Reset(r.Context()); err != nil {
		return nil, err
	}
	return clockData{c.gw.Now().In(core.Zone)}, nil
}
