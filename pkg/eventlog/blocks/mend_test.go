package blocks_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"shomei/pkg/eventlog/blocks"
	"shomei/pkg/natstest"
)

// A stream of claims, commands or heads that loses a message to one flipped bit keeps all others under their sequences,
// reuses no sequence, and names what is lost; with a copy nothing is lost.
func TestOneBitInOtherStreams(t *testing.T) {
	const count = 30
	for _, config := range []jetstream.StreamConfig{
		{Name: "CLAIMS", Subjects: []string{"shomei.counter.*"}, MaxAge: time.Hour, DenyDelete: true},
		{Name: "COMMANDS", Subjects: []string{"shomei.command.*"}, MaxAge: time.Hour, DenyDelete: true},
		{Name: "CLAIM_HEADS", Subjects: []string{"shomei.claimhead.*"}, MaxMsgsPerSubject: 1},
	} {
		ordered, killed := t.TempDir(), t.TempDir()
		withServer(t, ordered, func(js jetstream.JetStream) {
			config.Storage = jetstream.FileStorage
			_, err := js.CreateStream(t.Context(), config)
			check(t, err)
			for i := range count {
				subject := strings.Replace(config.Subjects[0], "*", fmt.Sprintf("counter-%d", i), 1)
				_, err := js.PublishMsg(t.Context(), &nats.Msg{
					Subject: subject, Data: fmt.Appendf(nil, "message %d", i), Header: nats.Header{"Nats-Msg-Id": {fmt.Sprint(i)}},
				})
				check(t, err)
			}
			check(t, os.CopyFS(killed, os.DirFS(ordered))) // as a kill leaves it: every write is synced
		})
		for how, kept := range map[string]string{"ordered": ordered, "killed": killed} {
			b := must(os.ReadFile(blockOf(t, kept, config.Name)))(t)
			for _, i := range []int{0, count / 2, count - 1} {
				begin := 0
				for range i {
					begin += int(binary.LittleEndian.Uint32(b[begin:]) &^ (1 << 31))
				}
				size := int(binary.LittleEndian.Uint32(b[begin:]) &^ (1 << 31))
				for name, at := range map[string]int{"length": 1, "sequence": 5, "subject length": 20, "subject": 30, "payload": size - 10, "checksum": size - 3} {
					t.Run(fmt.Sprintf("%s/%s/message %d/%s", config.Name, how, i, name), func(t *testing.T) {
						store := t.TempDir()
						check(t, os.CopyFS(store, os.DirFS(kept)))
						damaged := append([]byte(nil), b...)
						damaged[begin+at] ^= 0x08
						check(t, os.WriteFile(blockOf(t, store, config.Name), damaged, 0o600))
						wantOthers(t, store, config.Name, count, uint64(i+1))
						_, err := blocks.Mend(t.Context(), blocks.Config{Store: store, Copies: []string{kept}, Logger: natstest.Quiet()})
						check(t, err)
						wantOthers(t, store, config.Name, count, 0)
					})
				}
			}
		}
	}
}

func blockOf(t *testing.T, store, stream string) string {
	t.Helper()
	files := must(filepath.Glob(filepath.Join(store, "jetstream/*/streams", stream, "msgs/1.blk")))(t)
	if len(files) != 1 {
		t.Fatalf("%d first blocks of %s", len(files), stream)
	}
	return files[0]
}

// wantOthers checks that a stream holds all messages, or all but one that is named as lost, and continues after them.
func wantOthers(t *testing.T, store, name string, count int, may uint64) {
	t.Helper()
	withServer(t, store, func(js jetstream.JetStream) {
		stream := must(js.Stream(t.Context(), name))(t)
		gaps := must(blocks.ReadGaps(filepath.Join(store, "gaps"), name))(t)
		for i := range count {
			sequence := uint64(i + 1)
			m, err := stream.GetMsg(t.Context(), sequence)
			if gap, lost := gaps.At(sequence); lost && sequence == may && errors.Is(err, jetstream.ErrMsgNotFound) {
				if gap.Evidence == "" || gap.Why == "" {
					t.Errorf("the gap says too little: %+v", gap)
				}
				continue
			}
			if err != nil || string(m.Data) != fmt.Sprintf("message %d", i) {
				t.Errorf("sequence %d: %v", sequence, err)
			}
		}
		if last := must(stream.Info(t.Context()))(t).State.LastSeq; last != uint64(count) {
			t.Errorf("the stream ends at %d, want %d", last, count)
		}
	})
}

// What was being written when the writer died was never acknowledged: it is cut off, and its sequence is free.
func TestTornEnd(t *testing.T) {
	chance, kept := seeded(t), t.TempDir()
	withServer(t, kept, func(js jetstream.JetStream) {
		_, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "shomei-log-000-fff", Subjects: []string{"shomei.log.>"}})
		check(t, err)
		for i := range 10 {
			_, err := js.Publish(t.Context(), fmt.Sprintf("shomei.log.subscriber.000.%d", i), make([]byte, 400))
			check(t, err)
		}
	})
	b := must(os.ReadFile(blockOf(t, kept, "shomei-log-000-fff")))(t)
	size := len(b) / 10
	for _, left := range []int{1, 21, 22, 50, size - 1, 1 + chance.IntN(size-1)} {
		for _, seen := range []uint64{9, 10} {
			store := t.TempDir()
			check(t, os.CopyFS(store, os.DirFS(kept)))
			check(t, os.WriteFile(blockOf(t, store, "shomei-log-000-fff"), b[:9*size+left], 0o600))
			mark := func(string) (blocks.Mark, error) { return blocks.Mark{Sequence: seen}, nil }
			r := must(blocks.Mend(t.Context(), blocks.Config{Store: store, Seen: mark, Logger: natstest.Quiet()}))(t)[0]
			want := blocks.Cut
			if seen == 10 {
				want = blocks.Lost
			}
			if len(r.Findings) != 1 || r.Findings[0].Outcome != want || (r.Withheld != "") != (seen == 10) {
				t.Errorf("%d bytes left, %d seen: %+v", left, seen, r)
			}
		}
	}
}

// A withheld stream is invisible to the server, and back once a copy holds what is lost.
func TestWithheldUntilACopyIsThere(t *testing.T) {
	kept, store := t.TempDir(), t.TempDir()
	withServer(t, kept, func(js jetstream.JetStream) {
		for _, config := range []jetstream.StreamConfig{{Name: "shomei-log-000-fff", Subjects: []string{"shomei.log.>"}}, {Name: "other", Subjects: []string{"other"}}} {
			_, err := js.CreateStream(t.Context(), config)
			check(t, err)
		}
		for i := range 10 {
			_, err := js.Publish(t.Context(), fmt.Sprintf("shomei.log.subscriber.000.%d", i), make([]byte, 400))
			check(t, err)
		}
	})
	check(t, os.CopyFS(store, os.DirFS(kept)))
	b := must(os.ReadFile(blockOf(t, store, "shomei-log-000-fff")))(t)
	copy(b[1000:], "something else")
	check(t, os.WriteFile(blockOf(t, store, "shomei-log-000-fff"), b, 0o600))
	for range 2 {
		withServer(t, store, func(js jetstream.JetStream) {
			if _, err := js.Stream(t.Context(), "shomei-log-000-fff"); !errors.Is(err, jetstream.ErrStreamNotFound) {
				t.Errorf("the damaged stream: %v", err)
			}
			_, err := js.Publish(t.Context(), "other", nil)
			check(t, err)
		})
	}
	if gaps := must(blocks.ReadGaps(filepath.Join(store, "gaps"), "shomei-log-000-fff"))(t); gaps.Withheld == "" {
		t.Error("nothing says that the stream is withheld")
	}
	_, err := blocks.Mend(t.Context(), blocks.Config{Store: store, Copies: []string{kept}, Logger: natstest.Quiet()})
	check(t, err)
	withServer(t, store, func(js jetstream.JetStream) {
		info := must(must(js.Stream(t.Context(), "shomei-log-000-fff"))(t).Info(t.Context()))(t)
		if info.State.Msgs != 10 {
			t.Errorf("%d messages are back, want 10", info.State.Msgs)
		}
	})
	if gaps := must(blocks.ReadGaps(filepath.Join(store, "gaps"), "shomei-log-000-fff"))(t); gaps.Withheld != "" {
		t.Errorf("still withheld: %s", gaps.Withheld)
	}
}
