package warehouse

import (
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"shomei/events"
)

// BenchmarkApply decodes and applies 100,000 commits of one event each, as a
// projector that catches up does; ns/op is for all of them.
func BenchmarkApply(b *testing.B) {
	const commits, batch = 100_000, 50_000
	stored := make([][]byte, commits)
	for i := range stored {
		s := newStory(fmt.Sprintf("person%018d", i), handedOver.Add(time.Duration(i)*time.Second))
		s.commit(&events.WindowOpened{Serial: uint64(i + 1), Kind: sign, LastDay: "2020-06-18"})
		encoded, err := proto.Marshal(s.commits[0])
		if err != nil {
			b.Fatal(err)
		}
		stored[i] = encoded
	}
	w := openNamed(b, fmt.Sprintf("bench_%d", b.N))
	for b.Loop() {
		for from := 0; from < commits; from += batch {
			decoded := make([]*events.Commit, batch)
			for i := range decoded {
				decoded[i] = new(events.Commit)
				if err := proto.Unmarshal(stored[from+i], decoded[i]); err != nil {
					b.Fatal(err)
				}
			}
			if err := w.Apply(b.Context(), readOf(decoded)); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.N)*commits/b.Elapsed().Seconds(), "commits/s")
}
