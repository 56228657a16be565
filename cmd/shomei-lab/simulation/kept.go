package simulation

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/go-json-experiment/json"

	"shomei/pkg/civil"
	"shomei/pkg/durable"
)

// Plan says what is simulated; the same plan gives the same history, except for keys, serials and signatures.
type Plan struct {
	Subscribers int        `json:"subscribers"`
	From        civil.Date `json:"from"`
	// To is the day after the last simulated one.
	To   civil.Date `json:"to"`
	Seed uint64     `json:"seed"`
}

// ErrPlan: a data folder holds the simulation of another plan.
var ErrPlan = errors.New("the data folder holds another simulation")

// planFile keeps the plan in the data folder, so that a second run continues with it and not with another.
const planFile = "simulation.json"

// ReadPlan reads the plan of a data folder; false if there is none.
func ReadPlan(data string) (Plan, bool, error) {
	var p Plan
	text, err := os.ReadFile(filepath.Join(data, planFile))
	if errors.Is(err, fs.ErrNotExist) {
		return p, false, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	return p, err == nil, err
}

// Keep writes the plan to the data folder, or checks that it is the one there (ErrPlan).
func (p Plan) Keep(data string) error {
	old, found, err := ReadPlan(data)
	if err != nil {
		return fmt.Errorf("reading the plan of the simulation: %w", err)
	}
	if found && old != p {
		return fmt.Errorf("%s: %w: %d subscribers, %s to %s, seed %d; give the same, or another folder with --data",
			data, ErrPlan, old.Subscribers, old.From, old.To, old.Seed)
	}
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	return durable.WriteSecret(filepath.Join(data, planFile), text)
}
