package fsck

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"
	"strings"
	"time"

	"shomei/events"
	"shomei/pkg/eventlog"
	"shomei/pkg/warehouse"
)

// tally is a sum over facts for each shard, independent of their order, so that log and tables can be compared without
// holding either.
type tally [events.Shards][2]uint64

func (t *tally) add(f fact) {
	sum := sha256.Sum256([]byte(f.what + "\x00" + f.says))
	t[f.shard][0] += binary.BigEndian.Uint64(sum[:8])
	t[f.shard][1] += binary.BigEndian.Uint64(sum[8:])
}

const (
	// maxShards is how many differing shards are compared fact by fact; if more differ, the tables as a whole are
	// wrong.
	maxShards = 64
	// rounds is how often differences are compared again, because a running hub keeps writing.
	rounds = 2
)

// checkTables compares the tables with the log: first a sum for each shard, then the differing shards fact by fact.
func (c *check) checkTables(ctx context.Context) error {
	least, err := c.Log.LastSequences(ctx)
	if err != nil {
		return err
	}
	if caught, err := c.awaitTables(ctx); err != nil || !caught {
		return err
	}
	if err := c.checkKeeping(ctx, least); err != nil {
		return err
	}
	var stored tally
	if err := c.storedFacts(ctx, stored.add); err != nil {
		return err
	}
	differ := make(map[int]bool)
	for shard := range stored {
		if stored[shard] != c.logged[shard] {
			differ[shard] = true
		}
	}
	if len(differ) > maxShards {
		c.report.add("tables", nextRebuild, "%d of %d shards differ from the log; %d were looked into", len(differ), events.Shards, maxShards)
		for _, shard := range slices.Sorted(maps.Keys(differ))[maxShards:] {
			delete(differ, shard)
		}
	}
	if err := c.explain(ctx, differ); err != nil {
		return err
	}
	return c.checkSums(ctx)
}

// checkKeeping checks the tables' own records: their positions and which files made them.
func (c *check) checkKeeping(ctx context.Context, least eventlog.Positions) error {
	at, err := c.Warehouse.LookAtPositions(ctx)
	if err != nil {
		return err
	}
	most, err := c.Log.LastSequences(ctx)
	if err != nil {
		return err
	}
	for _, stream := range slices.Sorted(maps.Keys(most)) {
		switch {
		case at[stream] < least[stream]:
			c.report.add("tables, positions "+stream, nextRebuild, "the position is %d, but the tables have been brought to %d", at[stream], least[stream])
		case at[stream] > most[stream]:
			c.report.add("tables, positions "+stream, nextRebuild, "the position is %d, but the log ends at %d", at[stream], most[stream])
		}
		delete(at, stream)
	}
	for _, stream := range slices.Sorted(maps.Keys(at)) {
		c.report.add("tables, positions "+stream, nextRebuild, "the log has no such stream")
	}
	other, err := c.Warehouse.OtherFiles(ctx)
	for _, file := range other {
		c.report.add("tables, table_files "+file, nextRebuild, "the record of this file is missing, or another program's")
	}
	return err
}

// explain reports what differs in some shards after comparing again: what a running hub is changing differs in another
// way the next time.
func (c *check) explain(ctx context.Context, differ map[int]bool) error {
	var before map[string][2]string
	for round := 1; len(differ) > 0; round++ {
		if caught, err := c.awaitTables(ctx); err != nil || !caught {
			return err
		}
		found, err := c.differences(ctx, differ)
		if err != nil || round == rounds {
			c.reportDifferences(found, before)
			return err
		}
		before = found
	}
	return nil
}

// differences returns, for everything that differs in some shards, what log and tables say, and removes shards without
// differences.
func (c *check) differences(ctx context.Context, shards map[int]bool) (map[string][2]string, error) {
	logged, err := c.loggedFacts(ctx, shards)
	if err != nil {
		return nil, err
	}
	stored := make(map[string]fact)
	err = c.storedFacts(ctx, func(f fact) {
		if shards[f.shard] {
			f.says = stored[f.what].says + f.says // several rows under a key that must have one
			stored[f.what] = f
		}
	})
	if err != nil {
		return nil, err
	}
	clear(shards)
	found := make(map[string][2]string)
	for _, what := range slices.Concat(slices.Collect(maps.Keys(logged)), slices.Collect(maps.Keys(stored))) {
		if inLog, inTables := logged[what], stored[what]; inLog != inTables {
			found[what] = [2]string{inLog.says, inTables.says}
			for _, f := range []fact{inLog, inTables} {
				shards[f.shard] = shards[f.shard] || f.what != ""
			}
		}
	}
	return found, nil
}

// reportDifferences reports the differences that two rounds have found alike.
func (c *check) reportDifferences(found, before map[string][2]string) {
	for _, what := range slices.Sorted(maps.Keys(found)) {
		if says := found[what]; before[what] == says && !c.report.ofClosed(what) {
			c.reportDifference(what, says[0], says[1])
		}
	}
}

func (c *check) reportDifference(what, logged, stored string) {
	switch {
	case stored == "":
		c.report.add("tables, "+what, nextRebuild, "missing; the log says %s", oneLine(logged))
	case logged == "":
		c.report.add("tables, "+what, nextRebuild, "not in the log; the tables say %s", oneLine(stored))
	default:
		c.report.add("tables, "+what, nextRebuild, "the log says %s, the tables say %s", oneLine(without(logged, stored)), oneLine(without(stored, logged)))
	}
}

// without returns the lines of says that other does not have.
func without(says, other string) string {
	known := strings.Split(other, "\n")
	return strings.Join(slices.DeleteFunc(strings.Split(says, "\n"), func(line string) bool { return slices.Contains(known, line) }), "\n")
}

func oneLine(says string) string {
	if says = strings.TrimSpace(says); says == "" {
		return "nothing"
	}
	return strings.ReplaceAll(says, "\n", ", ")
}

// storedFacts calls fn with the fact of every row of every table.
func (c *check) storedFacts(ctx context.Context, fn func(fact)) error {
	return c.Warehouse.EachRow(ctx, func(r warehouse.Row) error {
		var says strings.Builder
		for i, column := range r.Columns {
			says.WriteString(said(column, r.Values[i]))
		}
		fn(fact{int(events.Shard(r.Owner)), r.Table + " " + r.Key, says.String()})
		return nil
	})
}

// loggedFacts reads the log again for the facts of some shards.
func (c *check) loggedFacts(ctx context.Context, shards map[int]bool) (map[string]fact, error) {
	all, facts := make(map[string]*expected), make(map[string]fact)
	give := func(f fact) {
		if shards[f.shard] {
			facts[f.what] = f
		}
	}
	err := c.Log.Scan(ctx, nil, nil, func(r eventlog.Record, _ error) error {
		if r.Commit == nil || !shards[int(events.Shard(r.ID))] && r.Kind != events.KindAuthority {
			return nil
		}
		key := r.Kind + "/" + r.ID
		if all[key] == nil {
			all[key] = &expected{kind: r.Kind, id: r.ID}
		}
		all[key].fold(r, give)
		return nil
	})
	for _, p := range all {
		p.facts(give)
	}
	return facts, err
}

// How long and how often tables without progress are looked at.
const (
	tablesPatience = 5 * time.Second
	tablesLook     = 50 * time.Millisecond
)

// awaitTables waits until the tables have everything that is in the log now. If they make no progress, it reports that
// and returns false.
func (c *check) awaitTables(ctx context.Context) (bool, error) {
	if c.CaughtUp != nil {
		return true, c.CaughtUp(ctx)
	}
	ends, err := c.Log.LastSequences(ctx)
	if err != nil {
		return false, err
	}
	ticker := time.NewTicker(tablesLook)
	defer ticker.Stop()
	least, still := ^uint64(0), 0
	for {
		at, err := c.Warehouse.LookAtPositions(ctx)
		if err != nil {
			return false, err
		}
		behind := missing(at, ends)
		if behind == 0 {
			return true, nil
		}
		if still++; behind < least {
			least, still = behind, 0
		}
		if still > int(tablesPatience/tablesLook) {
			c.report.add("tables", "start the hub: they catch up by themselves", "they are %d commits behind the log and make no progress", behind)
			return false, nil
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-ticker.C:
		}
	}
}

// missing returns how many commits positions lack.
func missing(at, ends eventlog.Positions) (commits uint64) {
	for stream, end := range ends {
		commits += end - min(at[stream], end)
	}
	return commits
}
