// Package published carries what the centre has published, as whole files by name, from the service that makes them to
// those that give them out: a JetStream object store.
//
// What stands in it is no evidence. Whoever has the writer's rights can put anything there, so a reader checks what it
// gets by itself, as strictly as if it came from the network. A reader asks and creates nothing on the server, no
// consumer either: nothing it may do makes the server send anything to anybody else.
package published

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Errors that callers distinguish.
var (
	// ErrNone: nothing is published under that name.
	ErrNone = errors.New("nothing is published under that name")
	// ErrDamaged: what stands under a name is not whole.
	ErrDamaged = errors.New("what is published under that name is not whole")
)

const (
	bucket      = "revocation"
	stream      = "OBJ_" + bucket
	partsPrefix = "$O." + bucket + ".C."
)

// nameSubject is where the last message says what stands under a name.
func nameSubject(name string) string {
	return "$O." + bucket + ".M." + base64.URLEncoding.EncodeToString([]byte(name))
}

// MaxFile bounds a file in bytes: whoever can write to the bucket can't fill its readers' memory.
const MaxFile = 64 << 20

// retention is how long a file that nobody puts again stays. Lists are good for a day. Parts of a file whose writer was
// killed go with it.
const retention = 7 * 24 * time.Hour

// WriterMayPublish lists the subjects that a user publishes to who calls Put.
func WriterMayPublish() []string {
	return append(ReaderMayPublish(), "$O."+bucket+".>", "$JS.API.STREAM.PURGE."+stream)
}

// ReaderMayPublish lists the subjects that a user publishes to who calls Get.
func ReaderMayPublish() []string {
	return []string{"$JS.API.STREAM.INFO." + stream, "$JS.API.DIRECT.GET." + stream, "$JS.API.DIRECT.GET." + stream + ".>"}
}

// MaySubscribe lists the subjects that either user subscribes to: its own inbox.
func MaySubscribe() []string { return []string{"_INBOX.>"} }

// EnsureBucket creates the bucket, or updates its limits. It takes a connection of the set-up user. Store is how much the
// server may store in all, in bytes; 0: no matter.
func EnsureBucket(ctx context.Context, conn *nats.Conn, store int64) error {
	js, err := jetstream.New(conn)
	if err != nil {
		return fmt.Errorf("making the bucket of what is published: %w", err)
	}
	held := int64(0)
	switch s, err := js.Stream(ctx, stream); {
	case err == nil:
		held = int64(s.CachedInfo().State.Bytes)
	case !errors.Is(err, jetstream.ErrStreamNotFound):
		return fmt.Errorf("looking for the bucket of what is published: %w", err)
	}
	_, err = js.CreateOrUpdateObjectStore(ctx, jetstream.ObjectStoreConfig{
		Bucket: bucket, Description: "what validation gives out: revocation lists", TTL: retention, MaxBytes: share(store, held),
		Storage: jetstream.FileStorage,
	})
	if err != nil {
		return fmt.Errorf("making the bucket of what is published: %w", err)
	}
	return nil
}

// share returns how many bytes the bucket may hold: a sixteenth of the store, at most 512 MiB, which the server reserves;
// and a quarter more than it holds, if that is more.
func share(store, held int64) int64 {
	if store == 0 {
		store = 16 << 30
	}
	return max(min(store/16, 512<<20), held+held/4)
}

// Bucket is one end of the bucket, that of the writer or that of a reader. It may be used at once by several goroutines.
//
// It reads and writes the format of the library's object store, but does so itself: the library reads by a consumer that
// has the server send messages, and writes the name before it knows that the parts are stored.
type Bucket struct {
	js jetstream.JetStream

	mu     sync.Mutex
	stream jetstream.Stream // nil until the server has answered
	// whole are the versions that this process has put or read, by name: another's parts may have been lost since.
	whole map[string]string
}

// Open returns the bucket as a connection sees it. Prefix is that of the JetStream API where the bucket is another
// account's; empty: it is the connection's own. The server is first asked by Put or Get.
func Open(conn *nats.Conn, prefix string) (*Bucket, error) {
	js, err := jetstream.New(conn)
	if prefix != "" {
		js, err = jetstream.NewWithAPIPrefix(conn, prefix)
	}
	if err != nil {
		return nil, fmt.Errorf("opening the bucket of what is published: %w", err)
	}
	return &Bucket{js: js, whole: make(map[string]string)}, nil
}

func (b *Bucket) open(ctx context.Context) (_ jetstream.Stream, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stream == nil {
		b.stream, err = b.js.Stream(ctx, stream)
	}
	return b.stream, err
}

// Put publishes a file under a name, in the place of the one there. It is durable and whole once Put returns nil; until
// then readers get the former one. Putting the same again changes nothing.
func (b *Bucket) Put(ctx context.Context, name string, file []byte) error {
	if len(file) == 0 || len(file) > MaxFile {
		return fmt.Errorf("publishing %s: it has %d bytes, the bucket takes 1 to %d", name, len(file), MaxFile)
	}
	version, err := b.put(ctx, name, file)
	if err != nil {
		return fmt.Errorf("publishing %s: %w", name, err)
	}
	b.setVersion(name, version)
	return nil
}

func (b *Bucket) put(ctx context.Context, name string, file []byte) (string, error) {
	there, err := b.get(ctx, name, b.version(name))
	if err == nil && strings.HasSuffix(there.Version, digest(file)) {
		return there.Version, nil // read whole, now or before
	}
	if err != nil && !errors.Is(err, ErrNone) && !errors.Is(err, ErrDamaged) {
		return "", err
	}
	s, err := b.open(ctx)
	if err != nil {
		return "", err
	}
	stored, err := b.store(ctx, s, name, file)
	if err != nil {
		return "", err
	}
	if nuid, _, _ := strings.Cut(there.Version, " "); nuid != "" { // what stays, because this fails or the process dies, goes when it is old
		_ = s.Purge(ctx, jetstream.WithPurgeSubject(partsPrefix+nuid))
	}
	return stored, nil
}

// partSize is below what a server takes in one message by default.
const partSize = 512 << 10

// store stores the parts of a file and then, once they all are, its name. It returns the version.
func (b *Bucket) store(ctx context.Context, s jetstream.Stream, name string, file []byte) (string, error) {
	info := jetstream.ObjectInfo{
		ObjectMeta: jetstream.ObjectMeta{Name: name, Opts: &jetstream.ObjectMetaOptions{ChunkSize: partSize}},
		Bucket:     bucket, NUID: rand.Text(), Size: uint64(len(file)), Digest: digest(file),
	}
	for part := range slices.Chunk(file, partSize) {
		if _, err := b.js.Publish(ctx, partsPrefix+info.NUID, part, jetstream.WithExpectStream(stream)); err != nil {
			_ = s.Purge(context.WithoutCancel(ctx), jetstream.WithPurgeSubject(partsPrefix+info.NUID))
			return "", err
		}
		info.Chunks++
	}
	text, err := json.Marshal(info)
	if err != nil {
		return "", err
	}
	m := nats.NewMsg(nameSubject(name))
	m.Data = text
	m.Header.Set(jetstream.MsgRollup, jetstream.MsgRollupSubject)
	_, err = b.js.PublishMsg(ctx, m, jetstream.WithExpectStream(stream))
	return version(info), err // on an error the name may stand there all the same, so the parts stay
}

func (b *Bucket) version(name string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.whole[name]
}

func (b *Bucket) setVersion(name, version string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.whole[name] = version
}

func version(info jetstream.ObjectInfo) string { return info.NUID + " " + info.Digest }

// digest is written as the object store does.
func digest(file []byte) string {
	h := sha256.New()
	h.Write(file)
	return jetstream.GetObjectDigestValue(h)
}

// File is what a reader got.
type File struct {
	// Version changes with every file that is put under the name.
	Version string
	Bytes   []byte
}

// Get returns the file under a name, or none of its bytes if it is the version that the caller knows. Errors wrap ErrNone
// or ErrDamaged, or the server gave no answer.
func (b *Bucket) Get(ctx context.Context, name, known string) (File, error) {
	f, err := b.get(ctx, name, known)
	if errors.Is(err, ErrDamaged) {
		f, err = b.get(ctx, name, known) // it may have been replaced between its name and its parts
	}
	if err != nil {
		return File{}, fmt.Errorf("reading what is published as %s: %w", name, err)
	}
	return f, nil
}

func (b *Bucket) get(ctx context.Context, name, known string) (File, error) {
	s, err := b.open(ctx)
	if err != nil {
		return File{}, err
	}
	m, err := s.GetLastMsgForSubject(ctx, nameSubject(name))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return File{}, ErrNone
	}
	if err != nil {
		return File{}, err
	}
	var info jetstream.ObjectInfo
	if json.Unmarshal(m.Data, &info) != nil || !isToken(info.NUID) || info.Size == 0 || info.Size > MaxFile {
		return File{}, ErrDamaged
	}
	f := File{Version: version(info)}
	if f.Version == known {
		return f, nil
	}
	if f.Bytes, err = join(ctx, s, partsPrefix+info.NUID, int(info.Size)); err != nil {
		return File{}, err
	}
	if digest(f.Bytes) != info.Digest {
		return File{}, fmt.Errorf("%w: it has another digest", ErrDamaged)
	}
	return f, nil
}

// isToken reports whether s is one token of a subject without wildcards.
func isToken(s string) bool {
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return len(s) > 0 && len(s) <= 64
}

// join reads the parts of a file one after the other, until it has size bytes.
func join(ctx context.Context, s jetstream.Stream, subject string, size int) ([]byte, error) {
	var file bytes.Buffer
	for next := uint64(1); file.Len() < size; {
		part, err := s.GetMsg(ctx, next, jetstream.WithGetMsgSubject(subject))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil, fmt.Errorf("%w: it ends after %d of %d bytes", ErrDamaged, file.Len(), size)
		}
		if err != nil {
			return nil, err
		}
		if len(part.Data) == 0 || file.Len()+len(part.Data) > size {
			return nil, fmt.Errorf("%w: its parts don't have %d bytes", ErrDamaged, size)
		}
		file.Write(part.Data)
		next = part.Sequence + 1
	}
	return file.Bytes(), nil
}
