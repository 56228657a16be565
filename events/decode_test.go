package events

import (
	"encoding/hex"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

func hexPrefix(hash []byte) string { return hex.EncodeToString(hash[:8]) }

func mustEncode(t testing.TB, m proto.Message) []byte {
	t.Helper()
	encoded, err := Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

func TestDecodeGivesBackWhatWasSigned(t *testing.T) {
	want := testStored(t, 2)
	s, commit, err := Decode(mustEncode(t, want))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(commit, testCommit(2)) {
		t.Fatalf("got %v", commit)
	}
}

func TestDecodeRefusesEveryTruncation(t *testing.T) {
	stored := mustEncode(t, testStored(t, 2))
	// The state is the last field: cut before it, a message is whole in form, and only its signature tells.
	whole := len(stored) - protowire.SizeTag(4) - protowire.SizeBytes(len(testStored(t, 2).GetState()))
	for length := range len(stored) {
		s, _, err := Decode(stored[:length])
		if length == whole {
			if err != nil || !errors.Is(s.Verify(), ErrSignature) {
				t.Fatalf("cut before the state: decoding gave %v, and the signature must not hold", err)
			}
			continue
		}
		if !errors.Is(err, ErrMalformed) {
			t.Fatalf("cut to %d of %d bytes: got %v, want ErrMalformed", length, len(stored), err)
		}
	}
}

func TestDecodeNamesWhatIsWrong(t *testing.T) {
	many := make([]*Event, MaxEvents+1)
	for i := range many {
		many[i] = New(&PinBlocked{})
	}
	tests := []struct {
		name   string
		change func(*Commit)
		says   string
	}{
		{"no kind", func(c *Commit) { c.Kind = "" }, "no kind of aggregate"},
		{"other kind", func(c *Commit) { c.Kind = "person" }, "no kind of aggregate"},
		{"no id", func(c *Commit) { c.Id = "" }, "no id of an aggregate"},
		{"id with a dot", func(c *Commit) { c.Id = "a.b" }, "no id of an aggregate"},
		{"long id", func(c *Commit) { c.Id = strings.Repeat("a", 65) }, "no id of an aggregate"},
		{"no revision", func(c *Commit) { c.Revision = 0 }, "no revision"},
		{"first with a previous", func(c *Commit) { c.Revision = 1 }, "previous hash of 32 bytes"},
		{"second without a previous", func(c *Commit) { c.PreviousHash = nil }, "previous hash of 0 bytes"},
		{"short previous", func(c *Commit) { c.PreviousHash = c.PreviousHash[:20] }, "previous hash of 20 bytes"},
		{"no events", func(c *Commit) { c.Events = nil }, "has 0 events"},
		{"too many events", func(c *Commit) { c.Events = many }, "has 257 events"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, commit := testStored(t, 2), testCommit(2)
			test.change(commit)
			s.Commit = mustEncode(t, commit)
			_, _, err := Decode(mustEncode(t, s))
			if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("decoding: got %v, want ErrMalformed with %q", err, test.says)
			}
			if _, err := Sign(commit, nil, testWriter(t)); !errors.Is(err, ErrMalformed) {
				t.Errorf("signing: got %v, want ErrMalformed", err)
			}
		})
	}
}

func TestDecodeBoundsSizes(t *testing.T) {
	if _, _, err := Decode(make([]byte, MaxStored+1)); !errors.Is(err, ErrMalformed) {
		t.Errorf("a message over the limit: got %v", err)
	}
	s := testStored(t, 1)
	s.State = make([]byte, StateLimit("subscriber")+1)
	if _, _, err := Decode(mustEncode(t, s)); !errors.Is(err, ErrMalformed) {
		t.Errorf("a state over the limit: got %v", err)
	}
	if _, err := Sign(testCommit(1), s.GetState(), testWriter(t)); !errors.Is(err, ErrMalformed) {
		t.Errorf("signing a state over the limit: got %v", err)
	}
}

func TestAnEventOfANewerVersionIsNamedWithItsAggregate(t *testing.T) {
	commit := testCommit(1)
	unknown := protowire.AppendTag(nil, 4000, protowire.BytesType)
	commit.Events = append(commit.GetEvents(), &Event{RecordedMs: 5})
	commit.GetEvents()[1].ProtoReflect().SetUnknown(protowire.AppendBytes(unknown, []byte("new")))
	s := testStored(t, 1)
	s.Commit = mustEncode(t, commit)
	_, got, err := Decode(mustEncode(t, s))
	if !errors.Is(err, ErrUnknownEvent) || errors.Is(err, ErrMalformed) {
		t.Fatalf("got %v, want ErrUnknownEvent alone", err)
	}
	if got.GetId() != commit.GetId() || got.GetRevision() != 1 {
		t.Fatalf("the commit must be given back to name what is parked, got %v", got)
	}
}

func TestAFieldOfANewerVersionIsKept(t *testing.T) {
	commit := testCommit(1)
	unknown := protowire.AppendTag(nil, 4000, protowire.VarintType)
	commit.ProtoReflect().SetUnknown(protowire.AppendVarint(unknown, 1))
	s := testStored(t, 1)
	s.Commit = mustEncode(t, commit)
	_, got, err := Decode(mustEncode(t, s))
	if err != nil {
		t.Fatal(err)
	}
	if len(got.ProtoReflect().GetUnknown()) == 0 {
		t.Fatal("the unknown field was dropped")
	}
}

// FuzzDecode feeds any bytes to the reader of what is stored. `go test` runs the seeds: every golden, whole
// and cut in the middle, and a stored commit of each event.
func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("testdata", "goldens", "*.json"))
	if err != nil || len(files) == 0 {
		f.Fatalf("no goldens to start from: %v", err)
	}
	for _, file := range files {
		g := readGolden(f, file)
		f.Add(g.Encoded)
		f.Add(g.Encoded[:len(g.Encoded)/2])
		if body := goldenMessage(f, g).Interface(); bodyFields()[body.ProtoReflect().Descriptor().FullName()] != nil {
			s := testStored(f, 1)
			commit := testCommit(1)
			commit.Events = []*Event{New(body)}
			s.Commit = mustEncode(f, commit)
			f.Add(mustEncode(f, s))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, commit, err := Decode(data)
		if err != nil {
			if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrUnknownEvent) {
				t.Fatalf("Decode: an error without a name: %v", err)
			}
			return
		}
		again, same, err := Decode(mustEncode(t, s))
		if err != nil || !proto.Equal(s, again) || !proto.Equal(commit, same) {
			t.Fatalf("what was decoded does not survive being stored again: %v", err)
		}
		if _, err := JSON(data); err != nil && !errors.Is(err, ErrMalformed) {
			t.Fatalf("JSON: %v", err)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	commit := testCommit(2)
	commit.Events = []*Event{New(&CertificateIssued{
		Procedure: "p", Serial: 7, CertificateSha256: Hash(nil), LastDay: "2020-06-18",
		Certificate: &Sealed{Suite: 1, KeyVersion: 1, RecordClass: "certificate", Ciphertext: make([]byte, 1500), Digest: Hash(nil)},
	})}
	s, err := Sign(commit, make([]byte, 1000), testWriter(b))
	if err != nil {
		b.Fatal(err)
	}
	stored := mustEncode(b, s)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := Decode(stored); err != nil {
			b.Fatal(err)
		}
	}
}
