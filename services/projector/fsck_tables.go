package projector

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"
	"time"

	"shomei/events"
	"shomei/pkg/eventlog"
	"shomei/pkg/warehouse"
)

// tally is a sum over facts for each shard, the same in whatever order they come. It lets log and tables be compared
// whole without holding either.
type tally [events.Shards][2]uint64

func (t *tally) add(f fact) {
	sum := sha256.Sum256([]byte(f.what + "\x00" + f.says))
	t[f.shard][0] += binary.BigEndian.Uint64(sum[:8])
	t[f.shard][1] += binary.BigEndian.Uint64(sum[8:])
}

func (t *tally) addAll(p *place) { p.facts(t.add) }

const (
	// maxShards is how many shards that differ are looked into; when more do, the tables as a whole are wrong.
	maxShards = 64
	// rounds is how often what differs is looked at anew: a running hub goes on writing meanwhile.
	rounds = 3
)

// checkTables compares the tables with the log: first a sum for each shard, then, where the sums differ, fact by fact.
func (c *check) checkTables(ctx context.Context) error {
	if caught, err := c.awaitTables(ctx); err != nil || !caught {
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
	return c.explain(ctx, differ)
}

// explain names what differs in some shards, after looking again.
func (c *check) explain(ctx context.Context, differ map[int]bool) error {
	for round := 1; len(differ) > 0; round++ {
		if caught, err := c.awaitTables(ctx); err != nil || !caught {
			return err
		}
		logged, err := c.loggedFacts(ctx, differ)
		if err != nil {
			return err
		}
		stored := make(map[string]fact)
		err = c.storedFacts(ctx, func(f fact) {
			if differ[f.shard] {
				stored[f.what] = f
			}
		})
		if err != nil {
			return err
		}
		clear(differ)
		for _, what := range differences(logged, stored) {
			f, inLog := logged[what]
			if !inLog {
				f = stored[what]
			}
			differ[f.shard] = true
			if round == rounds {
				c.reportDifference(what, logged[what].says, stored[what].says)
			}
		}
		if round == rounds {
			return nil
		}
	}
	return nil
}

func differences(logged, stored map[string]fact) []string {
	var all []string
	for what, f := range logged {
		if stored[what] != f {
			all = append(all, what)
		}
	}
	for what := range stored {
		if _, ok := logged[what]; !ok {
			all = append(all, what)
		}
	}
	slices.Sort(all)
	return all
}

func (c *check) reportDifference(what, logged, stored string) {
	switch {
	case stored == "":
		c.report.add("tables, "+what, nextRebuild, "missing; the log says %s", logged)
	case logged == "":
		c.report.add("tables, "+what, nextRebuild, "not in the log; the tables say %s", stored)
	default:
		c.report.add("tables, "+what, nextRebuild, "the log says %s, the tables say %s", logged, stored)
	}
}

// forEver is after every milestone.
var forEver = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)

func (c *check) storedFacts(ctx context.Context, fn func(fact)) error {
	err := c.p.Warehouse.Heads(ctx, func(h warehouse.Head) error {
		fn(headFact(int(events.Shard(h.ID)), h))
		return nil
	})
	if err != nil {
		return err
	}
	err = c.p.Warehouse.EachCertificate(ctx, forEver, func(row warehouse.Certificate) error {
		fn(certificateFact(row))
		return nil
	})
	if err != nil {
		return err
	}
	return c.p.Warehouse.EachNotice(ctx, func(row warehouse.Notice) error {
		fn(noticeFact(row))
		return nil
	})
}

// loggedFacts reads the log once more for the facts of some shards.
func (c *check) loggedFacts(ctx context.Context, shards map[int]bool) (map[string]fact, error) {
	places := make(map[string]*place)
	err := c.p.Log.Scan(ctx, nil, func(r eventlog.Record, _ error) error {
		if r.Commit == nil || !shards[int(events.Shard(r.ID))] && r.Kind != events.KindAuthority {
			return nil
		}
		key := r.Kind + "/" + r.ID
		if places[key] == nil {
			places[key] = &place{kind: r.Kind, id: r.ID}
		}
		places[key].take(r.Commit)
		return nil
	})
	facts := make(map[string]fact)
	for _, p := range places {
		p.facts(func(f fact) {
			if shards[f.shard] {
				facts[f.what] = f
			}
		})
	}
	return facts, err
}

// How long tables that nobody brings forward are waited for, and how often they are looked at.
const (
	tablesPatience = 5 * time.Second
	tablesLook     = 50 * time.Millisecond
)

// awaitTables waits until the tables have everything that the log holds now; false, and a finding, when nobody brings
// them there.
func (c *check) awaitTables(ctx context.Context) (bool, error) {
	if c.p.Applied() != nil { // this process runs the projector
		return true, c.p.CaughtUp(ctx)
	}
	ends, err := c.p.Log.LastSequences(ctx)
	if err != nil {
		return false, err
	}
	ticker := time.NewTicker(tablesLook)
	defer ticker.Stop()
	least, still := ^uint64(0), 0
	for {
		at, err := c.p.Warehouse.Positions(ctx)
		if err != nil {
			return false, err
		}
		behind := lag(at, ends)
		if behind == 0 {
			return true, nil
		}
		if still++; behind < least {
			least, still = behind, 0
		}
		if still > int(tablesPatience/tablesLook) {
			c.report.add("tables", "start the hub: they catch up by themselves", "they stand %d commits behind the log, and nobody brings them forward", behind)
			return false, nil
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-ticker.C:
		}
	}
}
