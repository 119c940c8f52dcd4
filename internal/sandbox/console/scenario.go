package console

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/ksher-go/ksher/internal/sandbox/core"
	"github.com/ksher-go/ksher/internal/sandbox/scenario"
)

// play plays a scenario with an order.
func (c *Console) play(id orderID, name string) (err error) {
	c.gw.Do(func(tx *core.Tx) {
		o := tx.Either(id.appID, id.mchOrderNo)
		if o == nil {
			err = fmt.Errorf("order %q: %w", id.mchOrderNo, core.ErrNoOrder)
			return
		}
		if err = scenario.Play(tx, o, name); err == nil {
			err = tx.Save()
		}
	})
	if errors.Is(err, scenario.ErrNoScenario) {
		return &statusError{http.StatusNotFound, err.Error()}
	}
	if errors.Is(err, scenario.ErrNotPlayable) {
		return &statusError{http.StatusConflict, err.Error()}
	}
	return err
}

// scenarioList is the answer with all scenarios.
type scenarioList struct {
	Scenarios []scenario.Scenario `json:"scenarios"`
}

func listScenarios(*http.Request) (any, error) { return scenarioList{scenario.All()}, nil }

// scenarioName is the scenario to play.
type scenarioName struct {
	Name string `json:"name"`
}

func (c *Console) playScenario(r *http.Request) (any, error) {
	var body scenarioName
	if err := decode(r, &body); err != nil {
		return nil, err
	}
	id := idIn(r.URL.Query(), r.PathValue("no"))
	if err := c.play(id, body.Name); err != nil {
		return nil, err
	}
	return c.orderData(r, id)
}
