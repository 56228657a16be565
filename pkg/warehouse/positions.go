package warehouse

import (
	"context"
	"errors"
)

// ErrRebuilt: the tables were swapped for rebuilt ones since Positions was called. Call it again and follow from there.
// Nothing is lost.
var ErrRebuilt = errors.New("the tables were rebuilt meanwhile; follow again from Positions")

// position is how far a stream has been applied to a generation of tables.
type position struct {
	Generation uint64 `ch:"generation"`
	Stream     string `ch:"stream"`
	Sequence   uint64 `ch:"sequence"`
}

// Positions returns the last applied sequence of each stream and remembers the generation of tables that they belong
// to. Followers start from them.
func (w *Warehouse) Positions(ctx context.Context) (map[string]uint64, error) {
	rows, err := w.positionRows(ctx)
	for _, r := range rows {
		w.setGeneration(r.Generation)
	}
	return byStream(rows), err
}

// LookAtPositions is Positions without affecting the follower of this warehouse.
func (w *Warehouse) LookAtPositions(ctx context.Context) (map[string]uint64, error) {
	rows, err := w.positionRows(ctx)
	return byStream(rows), err
}

func (w *Warehouse) positionRows(ctx context.Context) ([]position, error) {
	return ask[position](ctx, w, "positions", `
		SELECT generation, stream, sequence FROM {positions} FINAL
		WHERE generation = (SELECT max(generation) FROM {positions})`)
}

func byStream(rows []position) map[string]uint64 {
	positions := map[string]uint64{}
	for _, r := range rows {
		if r.Stream != "" {
			positions[r.Stream] = r.Sequence
		}
	}
	return positions
}

// SetPosition records that everything of a stream up to sequence has been applied; call it after Apply. It fails with
// ErrRebuilt if the tables have been swapped since Positions.
func (w *Warehouse) SetPosition(ctx context.Context, stream string, sequence uint64) error {
	if err := w.writePosition(ctx, stream, sequence); err != nil {
		return err
	}
	newest, err := w.newestGeneration(ctx)
	if err != nil {
		return err
	}
	if newest != w.ownGeneration() {
		return ErrRebuilt
	}
	return nil
}

func (w *Warehouse) writePosition(ctx context.Context, stream string, sequence uint64) error {
	b := newBlock[position]("positions")
	b.add(position{w.ownGeneration(), stream, sequence})
	return b.insert(ctx, w)
}

func (w *Warehouse) newestGeneration(ctx context.Context) (uint64, error) {
	var newest uint64
	err := w.conn.QueryRow(ctx, w.expand("SELECT max(generation) FROM {positions}")).Scan(&newest)
	return newest, wrap("asking ClickHouse for the generation of the tables", err)
}

func (w *Warehouse) ownGeneration() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.generation
}

func (w *Warehouse) setGeneration(g uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.generation = g
}
