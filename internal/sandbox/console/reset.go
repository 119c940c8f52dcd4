package console

import (
	"net/http"

	"github.com/ksher-go/ksher/internal/sandbox/core"
)

// resetMethods make the gateway what it was at the start.
func (c *Console) resetMethods() methods {
	return methods{"POST": func(r *http.Request) (any, error) {
		if err := decode(r, new(struct{})); err != nil {
			return nil, err
		}
		if err := c.gw.Reset(r.Context()); err != nil {
			return nil, err
		}
		return map[string]any{"now": c.gw.Now().In(core.Zone)}, nil
	}}
}
