package blocks_test

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"shomei/pkg/eventlog/blocks"
	"shomei/pkg/hubserver"
	"shomei/pkg/natstest"
)

// seeded returns a random source whose seed is printed.
func seeded(t testing.TB) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		check(t, err)
		return v
	}
}

// withServer runs a server on a store while fn uses it.
func withServer(t testing.TB, store string, fn func(jetstream.JetStream)) {
	t.Helper()
	s := must(hubserver.Start(t.Context(), hubserver.Config{StoreDir: store, Port: -1, Reserve: -1, Logger: natstest.Quiet()}))(t)
	defer s.Shutdown()
	conn := must(nats.Connect(s.URL()))(t)
	defer conn.Close()
	fn(must(jetstream.New(conn))(t))
}

// What the server has written is read correctly: every size, with headers and without, over many blocks, with what it
// deleted by age, by subject and by order; and it agrees with what the server itself says of the stream.
func TestWhatTheServerWroteIsRead(t *testing.T) {
	chance, store := seeded(t), t.TempDir()
	sent := make(map[uint64][]byte)
	states := make(map[string]jetstream.StreamState)
	withServer(t, store, func(js jetstream.JetStream) {
		for _, config := range []jetstream.StreamConfig{
			{Name: "shomei-log-000-fff", Subjects: []string{"shomei.log.>"}},
			{Name: "aging", Subjects: []string{"aging.*"}, MaxMsgs: 400},
			{Name: "last", Subjects: []string{"last.*"}, MaxMsgsPerSubject: 1},
		} {
			config.Storage, config.MaxBytes = jetstream.FileStorage, 200<<20
			stream := must(js.CreateStream(t.Context(), config))(t)
			for i := range 900 {
				payload := make([]byte, chance.IntN(1+1<<chance.IntN(18))+i%20/19*500_000)
				for j := range payload {
					payload[j] = byte(chance.Uint32())
				}
				m := &nats.Msg{Subject: fmt.Sprintf("%s.%d", config.Name, chance.IntN(40)), Data: payload}
				if config.Name == "shomei-log-000-fff" {
					m.Subject = fmt.Sprintf("shomei.log.subscriber.000.%d", i)
				}
				if chance.IntN(2) == 0 {
					m.Header = nats.Header{"Some": {fmt.Sprint(i)}, "Other": {"x\ty"}}
				}
				ack := must(js.PublishMsg(t.Context(), m))(t)
				if config.Name == "shomei-log-000-fff" {
					sent[ack.Sequence] = append([]byte(m.Subject+" "), payload...)
				}
			}
			if config.Name == "aging" {
				check(t, stream.DeleteMsg(t.Context(), 800))
				check(t, stream.SecureDeleteMsg(t.Context(), 850))
			}
			states[config.Name] = must(stream.Info(t.Context()))(t).State
		}
	})
	if n := len(must(filepath.Glob(store + "/jetstream/*/streams/shomei-log-000-fff/msgs/*.blk"))(t)); n < 2 {
		t.Fatalf("%d blocks are too few for this test", n)
	}
	for _, r := range must(blocks.Look(t.Context(), blocks.Config{Store: store}))(t) {
		if len(r.Findings) > 0 || r.Withheld != "" || r.Last != states[r.Stream].LastSeq || r.Messages < states[r.Stream].Msgs {
			t.Errorf("%+v, the server says %+v", r, states[r.Stream])
		}
	}
	got := make(map[uint64][]byte)
	check(t, blocks.Read(store, "shomei-log-000-fff", func(m blocks.Message) error {
		got[m.Sequence] = append([]byte(m.Subject+" "), m.Payload...)
		return nil
	}))
	if !maps.EqualFunc(got, sent, bytes.Equal) {
		t.Errorf("%d messages were read, %d sent, or they differ", len(got), len(sent))
	}
	withServer(t, store, func(js jetstream.JetStream) {
		for name, before := range states {
			now := must(must(js.Stream(t.Context(), name))(t).Info(t.Context()))(t).State
			if now.Msgs != before.Msgs || now.LastSeq != before.LastSeq || now.NumDeleted != before.NumDeleted {
				t.Errorf("%s after reading: %+v, before %+v", name, now, before)
			}
		}
	})
}

func BenchmarkLook(b *testing.B) {
	store := b.TempDir()
	withServer(b, store, func(js jetstream.JetStream) {
		_, err := js.CreateStream(b.Context(), jetstream.StreamConfig{Name: "shomei-log-000-fff", Subjects: []string{"shomei.log.>"}})
		check(b, err)
		payload := make([]byte, 1500)
		for i := range 40_000 {
			m := &nats.Msg{
				Subject: fmt.Sprintf("shomei.log.subscriber.000.%d", i), Data: payload,
				Header: nats.Header{"Nats-Expected-Stream": {"shomei-log-000-fff"}},
			}
			_, err := js.PublishMsgAsync(m, jetstream.WithStallWait(time.Minute))
			check(b, err)
		}
		<-js.PublishAsyncComplete()
	})
	var size int64
	check(b, filepath.WalkDir(store, func(path string, entry os.DirEntry, err error) error {
		if info, err := entry.Info(); err == nil && !entry.IsDir() {
			size += info.Size()
		}
		return err
	}))
	b.SetBytes(size)
	for b.Loop() {
		must(blocks.Look(b.Context(), blocks.Config{Store: store}))(b)
	}
}
