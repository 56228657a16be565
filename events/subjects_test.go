package events

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Golden vectors: computed once with `printf %s ID | sha256sum | cut -c1-3`. They never change, because the shard
// stands in the subject of every commit ever stored.
var shardGoldens = map[string]string{
	"log":                      "836",
	"sign":                     "0b6",
	"auth":                     "bdf",
	"juki-12":                  "812",
	"12237-main":               "d6a",
	"12237-main-1":             "3a5",
	"aaaaaaaaaaaaaaaaaaaaaaaa": "09f",
	"mfrggzdfmztwq2lknnwg23tp": "b97",
	"card-0001":                "509",
	"A_b-9":                    "d8c",
}

func TestShardGoldens(t *testing.T) {
	for id, want := range shardGoldens {
		if got := fmt.Sprintf("%03x", Shard(id)); got != want {
			t.Errorf("shard of %q is %s, the golden says %s", id, got, want)
		}
		if subject := LogSubject(KindSubscriber, id); subject != "shomei.log.subscriber."+want+"."+id {
			t.Errorf("subject of %q is %s", id, subject)
		}
	}
}

func TestSubjectRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom(Kinds).Draw(t, "kind")
		id := rapid.StringMatching(`[A-Za-z0-9_-]{1,64}`).Draw(t, "id")
		gotKind, gotID, err := ParseLogSubject(LogSubject(kind, id))
		if err != nil || gotKind != kind || gotID != id {
			t.Fatalf("got %q, %q, %v", gotKind, gotID, err)
		}
	})
}

func TestParseLogSubjectRefuses(t *testing.T) {
	good := LogSubject(KindCard, "c-1")
	for _, subject := range []string{
		"", "shomei.log", "shomei.log.card", "other.log.card.000.x", good + ".more", good + ">",
		strings.Replace(good, fmt.Sprintf("%03x", Shard("c-1")), fmt.Sprintf("%03x", (Shard("c-1")+1)%Shards), 1),
		"shomei.log..000.x", "shomei.log.card.000.",
	} {
		if kind, id, err := ParseLogSubject(subject); err == nil {
			t.Errorf("%q was read as %s/%s", subject, kind, id)
		}
	}
}

func TestValidID(t *testing.T) {
	for id, want := range map[string]bool{
		"12237-main": true, "log": true, "A_b-9": true, strings.Repeat("a", 64): true,
		"": false, "a.b": false, "a*": false, ">": false, "a b": false, "東京": false, strings.Repeat("a", 65): false,
	} {
		if got := ValidID(id); got != want {
			t.Errorf("ValidID(%q) = %v", id, got)
		}
	}
}

// Every shard belongs to exactly one stream, for any number of streams, and the ranges are contiguous and even.
func TestStreamsPartitionShards(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, Shards).Draw(t, "streams")
		next := 0
		for i := range n {
			first, last := StreamShards(i, n)
			if first != next || last < first {
				t.Fatalf("stream %d of %d owns %d to %d, the next free shard is %d", i, n, first, last, next)
			}
			if size := last - first + 1; size > Shards/n+1 {
				t.Fatalf("stream %d of %d owns %d shards", i, n, size)
			}
			for shard := first; shard <= last; shard++ {
				if StreamOfShard(shard, n) != i {
					t.Fatalf("shard %d belongs to stream %d, not %d", shard, StreamOfShard(shard, n), i)
				}
			}
			next = last + 1
		}
		if next != Shards {
			t.Fatalf("%d streams own %d shards", n, next)
		}
	})
}

func TestStreamNamesAndSubjects(t *testing.T) {
	for _, c := range []struct {
		i, n  int
		name  string
		count int
		first string
	}{
		{0, 1, "shomei-log-000-fff", 1, "shomei.log.>"},
		{1, 2, "shomei-log-800-fff", 2048, "shomei.log.*.800.*"},
		{2, 3, "shomei-log-aab-fff", 1365, "shomei.log.*.aab.*"},
		{255, 256, "shomei-log-ff0-fff", 16, "shomei.log.*.ff0.*"},
		{4095, 4096, "shomei-log-fff-fff", 1, "shomei.log.*.fff.*"},
	} {
		subjects := StreamSubjects(c.i, c.n)
		if name := StreamName(c.i, c.n); name != c.name || len(subjects) != c.count || subjects[0] != c.first {
			t.Errorf("stream %d of %d is %s with %d subjects from %s", c.i, c.n, name, len(subjects), subjects[0])
		}
	}
}
