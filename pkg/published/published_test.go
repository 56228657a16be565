package published_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"shomei/pkg/hubserver"
	"shomei/pkg/natstest"
	"shomei/pkg/published"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, conn *nats.Conn) *published.Bucket {
	t.Helper()
	b, err := published.Open(conn, "")
	check(t, err)
	return b
}

// place is a server with the bucket, its writer and its reader, each with the rights that this package lists for it and no
// others, and a spy with all rights.
type place struct {
	server         *natstest.Operated
	writer, reader *published.Bucket
	reading, spy   *nats.Conn
}

func start(t *testing.T) place {
	t.Helper()
	s := natstest.StartOperated(t)
	as := func(publish []string) *nats.Conn {
		return s.As(t, s.Accounts.Log, hubserver.Rights{Publish: publish, Subscribe: published.MaySubscribe()})
	}
	check(t, published.EnsureBucket(t.Context(), as(hubserver.SetUpStreams()), s.StoreLimit()))
	check(t, published.EnsureBucket(t.Context(), as(hubserver.SetUpStreams()), s.StoreLimit()))
	p := place{server: s, reading: as(published.ReaderMayPublish()), spy: s.As(t, s.Accounts.Log, natstest.Everything)}
	p.writer, p.reader = open(t, as(published.WriterMayPublish())), open(t, p.reading)
	return p
}

func (p place) get(t *testing.T, name string) published.File {
	t.Helper()
	f, err := p.reader.Get(t.Context(), name, "")
	check(t, err)
	return f
}

// stored is how many messages the bucket holds.
func (p place) stored(t *testing.T) uint64 {
	t.Helper()
	js, err := p.spy.JetStream()
	check(t, err)
	info, err := js.StreamInfo("OBJ_revocation")
	check(t, err)
	return info.State.Msgs
}

func (p place) put(t *testing.T, subject, text string) {
	t.Helper()
	_, err := p.spy.Request(subject, []byte(text), 5*time.Second)
	check(t, err)
}

func TestFilesComeAsTheyWerePut(t *testing.T) {
	p := start(t)
	if _, err := p.reader.Get(t.Context(), "sign-03.crl", ""); !errors.Is(err, published.ErrNone) {
		t.Errorf("nothing published: %v", err)
	}
	large := make([]byte, 3<<20)
	_, _ = rand.Read(large)
	for _, file := range [][]byte{[]byte("first"), large, []byte("second")} {
		check(t, p.writer.Put(t.Context(), "sign-03.crl", file))
		got := p.get(t, "sign-03.crl")
		if !bytes.Equal(got.Bytes, file) {
			t.Fatalf("%d bytes came back as %d", len(file), len(got.Bytes))
		}
		again, err := p.reader.Get(t.Context(), "sign-03.crl", got.Version)
		if err != nil || again.Bytes != nil || again.Version != got.Version {
			t.Errorf("the known version: %v, %d bytes", err, len(again.Bytes))
		}
	}
	check(t, p.writer.Put(t.Context(), "auth-03.crl", []byte("another")))
	if n := p.stored(t); n != 4 {
		t.Errorf("two files of one part each make %d messages", n)
	}
	for _, bad := range [][]byte{nil, make([]byte, published.MaxFile+1)} {
		if p.writer.Put(t.Context(), "x", bad) == nil {
			t.Errorf("%d bytes were published", len(bad))
		}
	}
}

// Putting the same again, in another process too, stores nothing.
func TestPuttingAgainChangesNothing(t *testing.T) {
	p := start(t)
	check(t, p.writer.Put(t.Context(), "sign-03.crl", []byte("list")))
	before := p.get(t, "sign-03.crl").Version
	check(t, p.writer.Put(t.Context(), "sign-03.crl", []byte("list")))
	other := open(t, p.spy)
	check(t, other.Put(t.Context(), "sign-03.crl", []byte("list")))
	if after := p.get(t, "sign-03.crl").Version; after != before {
		t.Errorf("version %q became %q", before, after)
	}
}

// A reader may not write, create a consumer, or have the server send anything elsewhere.
func TestAReaderOnlyReads(t *testing.T) {
	p := start(t)
	check(t, p.writer.Put(t.Context(), "sign-03.crl", []byte("list")))
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := open(t, p.reading).Put(ctx, "sign-03.crl", []byte("another")); err == nil {
		t.Error("a reader has written")
	}
	js, err := p.reading.JetStream(nats.MaxWait(300 * time.Millisecond))
	check(t, err)
	if _, err := js.AddConsumer("OBJ_revocation", &nats.ConsumerConfig{DeliverSubject: "shomei.log.x"}); err == nil {
		t.Error("a reader has a consumer")
	}
	if err := js.PurgeStream("OBJ_revocation"); err == nil {
		t.Error("a reader has purged the bucket")
	}
	if got := p.get(t, "sign-03.crl"); string(got.Bytes) != "list" {
		t.Errorf("the file became %q", got.Bytes)
	}
}

// What a stolen key of the writer can put there reaches no caller as a file, and the writer's next Put mends it.
func TestWhatIsNotWholeIsMended(t *testing.T) {
	const meta, part = "$O.revocation.M.c2lnbi0wMy5jcmw=", "$O.revocation.C.planted"
	info := func(nuid, size, digest string) string {
		return `{"name":"sign-03.crl","bucket":"revocation","nuid":"` + nuid + `","size":` + size + `,"chunks":1,"digest":"` + digest + `"}`
	}
	for name, planted := range map[string][][2]string{
		"no parts":          {{meta, info("planted", "4", "SHA-256=x")}},
		"another digest":    {{part, "list"}, {meta, info("planted", "4", "SHA-256=x")}},
		"too short":         {{part, "li"}, {meta, info("planted", "4", "SHA-256=x")}},
		"too long":          {{part, strings.Repeat("x", 100)}, {meta, info("planted", "4", "SHA-256=x")}},
		"empty":             {{meta, info("planted", "0", "SHA-256=x")}},
		"huge":              {{meta, info("planted", "1000000000000", "SHA-256=x")}},
		"everybody's parts": {{meta, info(">", "4", "SHA-256=x")}},
		"no JSON":           {{meta, "{"}},
		"a link":            {{meta, `{"name":"sign-03.crl","bucket":"revocation","options":{"link":{"bucket":"revocation","name":"auth-03.crl"}}}`}},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t)
			check(t, p.writer.Put(t.Context(), "sign-03.crl", []byte("list")))
			check(t, p.writer.Put(t.Context(), "auth-03.crl", []byte("another")))
			for _, message := range planted {
				p.put(t, message[0], message[1])
			}
			if f, err := p.reader.Get(t.Context(), "sign-03.crl", ""); !errors.Is(err, published.ErrDamaged) || f.Bytes != nil {
				t.Errorf("read %q, %v", f.Bytes, err)
			}
			check(t, p.writer.Put(t.Context(), "sign-03.crl", []byte("list")))
			if got := p.get(t, "sign-03.crl"); string(got.Bytes) != "list" {
				t.Errorf("mended as %q", got.Bytes)
			}
			if got := p.get(t, "auth-03.crl"); string(got.Bytes) != "another" {
				t.Errorf("the other file is %q", got.Bytes)
			}
		})
	}
}

// Parts that are lost are noticed by a writer that has not put them itself.
func TestLostPartsArePutAgain(t *testing.T) {
	p := start(t)
	check(t, p.writer.Put(t.Context(), "sign-03.crl", []byte("list")))
	js, err := p.spy.JetStream()
	check(t, err)
	check(t, js.PurgeStream("OBJ_revocation", &nats.StreamPurgeRequest{Subject: "$O.revocation.C.>"}))
	if _, err := p.reader.Get(t.Context(), "sign-03.crl", ""); !errors.Is(err, published.ErrDamaged) {
		t.Errorf("read without its parts: %v", err)
	}
	check(t, open(t, p.spy).Put(t.Context(), "sign-03.crl", []byte("list")))
	if got := p.get(t, "sign-03.crl"); string(got.Bytes) != "list" {
		t.Errorf("put again as %q", got.Bytes)
	}
}

// Without a server, a bucket or room, an error says so, and the same bucket goes on once there is one.
func TestTroubleEnds(t *testing.T) {
	s := natstest.Start(t)
	conn := natstest.Connect(t, s.URL())
	b := open(t, conn)
	if err := b.Put(t.Context(), "sign-03.crl", []byte("list")); err == nil {
		t.Error("published without a bucket")
	}
	check(t, published.EnsureBucket(t.Context(), conn, 16<<20)) // a share of 1 MiB
	check(t, b.Put(t.Context(), "sign-03.crl", []byte("list")))
	if err := b.Put(t.Context(), "sign-03.crl", make([]byte, 2<<20)); err == nil {
		t.Error("published beyond the bucket's share")
	}
	f, err := b.Get(t.Context(), "sign-03.crl", "")
	if err != nil || string(f.Bytes) != "list" {
		t.Errorf("after it was full: %q, %v", f.Bytes, err)
	}
	check(t, published.EnsureBucket(t.Context(), conn, 0))
	check(t, b.Put(t.Context(), "sign-03.crl", make([]byte, 2<<20)))
	check(t, s.Restart(t.Context()))
	natstest.Wait(t, 20*time.Second, "the file after a restart", func() bool {
		f, err := b.Get(t.Context(), "sign-03.crl", "")
		return err == nil && len(f.Bytes) == 2<<20
	})
}

// Whatever is lost on the way, and however it was meant, readers get the former file or the next one, whole; putting it
// again ends it.
func TestWhatIsLostOnTheWay(t *testing.T) {
	for name, lose := range map[string]func(*natstest.Line){
		"a part":              func(l *natstest.Line) { l.LoseRequest("HPUB $O.revocation.C.") },
		"the answer to it":    func(l *natstest.Line) { l.LoseAnswer(`"seq":3`) },
		"the name":            func(l *natstest.Line) { l.LoseRequest("Nats-Rollup") },
		"the answer to that":  func(l *natstest.Line) { l.LoseAnswer(`"seq":4`) },
		"the end of the old":  func(l *natstest.Line) { l.LoseRequest("$JS.API.STREAM.PURGE.") },
		"the answer to that ": func(l *natstest.Line) { l.LoseAnswer(`"purged"`) },
	} {
		t.Run(name, func(t *testing.T) {
			s := natstest.Start(t)
			direct := natstest.Connect(t, s.URL())
			check(t, published.EnsureBucket(t.Context(), direct, 0))
			line := natstest.NewLine(t, strings.TrimPrefix(s.URL(), "nats://"))
			writer, reader := open(t, natstest.Connect(t, "nats://"+line.Addr())), open(t, direct)
			check(t, writer.Put(t.Context(), "sign-03.crl", []byte("former")))
			lose(line)
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			err := writer.Put(ctx, "sign-03.crl", []byte("next"))
			if line.Lost() != 1 {
				t.Fatalf("%d pieces were lost", line.Lost())
			}
			f, wrong := reader.Get(t.Context(), "sign-03.crl", "")
			if got := string(f.Bytes); wrong != nil || got != "next" && (got != "former" || err == nil) {
				t.Errorf("read %q, %v, after Put gave %v", got, wrong, err)
			}
			check(t, writer.Put(t.Context(), "sign-03.crl", []byte("next")))
			if f, wrong = reader.Get(t.Context(), "sign-03.crl", ""); wrong != nil || string(f.Bytes) != "next" {
				t.Errorf("at last %q, %v", f.Bytes, wrong)
			}
		})
	}
}
