// Package eventlog is the log: aggregates of commits on NATS JetStream, one message per decision.
//
// Update stores a decision, Load and History read one aggregate, Follow and Scan read all of them. An acknowledged
// commit is on disk. Any number of writers, in any number of processes, may decide about one aggregate at once: the
// server accepts a commit only if its writer had seen the end. Nothing is served that is not signed by a trusted
// writer, that breaks the chain, or that is in a stream which lost what was once seen in it.
package eventlog

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"shomei/events"
	"shomei/pkg/eventlog/blocks"
)

// MayPublish lists the subjects that a writer and follower of the log publishes to, besides those for reading.
func MayPublish() []string { return []string{"shomei.log.>", positionSubject + "*"} }

// Streams lists the names of the streams that a reader of a log of n streams reads.
func Streams(n int) []string {
	names := []string{positionStream}
	for i := range n {
		names = append(names, events.StreamName(i, n))
	}
	return names
}

// MayPublish lists the subjects on which a writer of this role stores its commits, one for each kind of aggregate.
func (r Role) MayPublish() (subjects []string) {
	for _, kind := range events.Kinds {
		if r.mayKind(kind) {
			subjects = append(subjects, events.KindSubjects(kind))
		}
	}
	return subjects
}

// FollowerMayPublish lists the subjects on which the followers of these names save how far they have come.
func FollowerMayPublish(names ...string) (subjects []string) {
	for _, name := range names {
		subjects = append(subjects, positionSubject+name)
	}
	return subjects
}

// Fold folds commits into states, for one kind of aggregate.
type Fold struct {
	// Version of the fold. States of an older version are folded again from the history, newer ones are refused.
	Version uint32
	// Apply returns the encoded state after c; a nil state is the empty one. It changes neither argument.
	Apply func(state []byte, c *events.Commit) ([]byte, error)
	// Remembered returns the revision at which a recent command was answered, if the state still knows.
	Remembered func(state []byte, commandID string) (revision uint64, ok bool)
}

// Config configures a Log. Conn and Folds are required.
type Config struct {
	// Conn may be shared; Close does not close it.
	Conn *nats.Conn
	// SetUp is a connection whose user may create and change streams, needed until Open returns; nil: Conn. A writer of
	// commits needs no right to the streams themselves.
	SetUp *nats.Conn
	// Writer signs commits; nil opens the log for reading only, or for the writers of As. Its public key must be trusted.
	Writer nkeys.KeyPair
	// Writers are the public user nkeys (U…) that are trusted beside those that the log enrols, and their roles: the root.
	Writers map[string]Role
	// Folds by kind of aggregate. A kind without one can't be updated or loaded.
	Folds map[string]Fold
	// Streams is the number of streams, 1 to 4096 (0: 1). Replicas is 1, 3 or 5 (0: 1).
	Streams, Replicas int
	// MaxBytes limits each stream; commits beyond it are refused with ErrFull. 0: no limit. Choose it so that the disk
	// keeps a reserve when all streams are full.
	MaxBytes int64
	// Marks is the directory of the high-water marks: on this machine, outside JetStream's store, of this process alone.
	// Without it the log is for reading only, and loss is noticed only while the process lives.
	Marks string
	// Writing is the folder of marks of the process that writes, for a reader without marks of its own: the copy of the list
	// of writers lies there.
	Writing string
	// Gaps is the folder in which the server's start lists what is known to be missing (pkg/eventlog/blocks). Without
	// it an incomplete stream is not served.
	Gaps string
	// KnownGaps returns what is known to be missing in a stream, for a process that does not reach that folder; nil: Gaps says so.
	KnownGaps func(ctx context.Context, stream string) (blocks.Gaps, error)
	// Clock returns the time; nil: time.Now.
	Clock func() time.Time
	// Logger receives warnings; nil: slog.Default.
	Logger *slog.Logger
	// PublishTimeout bounds the wait for one answer (0: 5 s); Patience is how long Update retries while the server is
	// unavailable (0: 30 s). The context may end both earlier.
	PublishTimeout, Patience time.Duration
	// CacheBytes bounds the memory for recent heads, and again that for recent histories (0: 16 MB; negative: none).
	CacheBytes int
}

// Log is the log, as one writer or as a reader. Its methods may be called from many goroutines.
type Log struct {
	*shared
	// key, public and role are the writer's; without them it is for reading only.
	key    ed25519.PrivateKey
	public string
	role   Role
}

// shared is what all writers of one process have in common.
type shared struct {
	config Config
	js     jetstream.JetStream
	// anchors are trusted by configuration, trust by configuration and enrolment.
	anchors atomic.Pointer[trust]
	trust   atomic.Pointer[trust]
	// learning is held while the writers are read and believed: of two that read, the one that read first must not be the last to be
	// believed.
	learning   sync.Mutex
	streams    []*stream
	memory     memory
	locks      subjectLocks
	metrics    *metrics
	skipped    sync.Map // by follower, the parked aggregates
	connection atomic.Pointer[connection]
	changes    chan nats.Status
	lock       *os.File
	closing    sync.Once
	stop       chan struct{}
	stopped    sync.WaitGroup
}

// Open connects to the streams, creates missing ones, and compares each with its high-water mark. A stream that must
// not be served is logged and stays shut while the others are served (Check names it again). The error is ErrBehindMark
// or ErrDamaged if none may be served, or ErrLayout, ErrMarks or ErrConfig.
func Open(ctx context.Context, config Config) (*Log, error) {
	if err := config.complete(); err != nil {
		return nil, err
	}
	l := &Log{shared: &shared{config: config, memory: newMemory(config.CacheBytes), metrics: newMetrics(), stop: make(chan struct{})}}
	l.locks.held = make(map[string]*subjectLock)
	l.connection.Store(newConnection())
	if err := l.anchor(config.Writers); err != nil {
		return nil, err
	}
	var err error
	if l.js, err = jetstream.New(config.Conn, jetstream.WithDefaultTimeout(config.PublishTimeout)); err != nil {
		return nil, fmt.Errorf("opening JetStream: %w", err)
	}
	if err := l.openStreams(ctx); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	if err := l.LearnWriters(ctx); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	if config.Writer != nil {
		if l, err = l.As(config.Writer); err != nil {
			return nil, errors.Join(err, l.Close())
		}
	}
	l.stopped.Go(l.syncMarks)
	l.changes = config.Conn.StatusChanged(nats.RECONNECTING, nats.DISCONNECTED)
	l.stopped.Go(func() { l.watchConnection(l.changes) })
	return l, nil
}

// connection is one connection to a server. Once it ends, pending answers won't come.
type connection struct {
	ended context.Context
	end   context.CancelFunc
}

func newConnection() *connection {
	ended, end := context.WithCancel(context.Background())
	return &connection{ended: ended, end: end}
}

// asking bounds one request to the server, by the time-out and by the connection it is made on.
func (l *Log) asking(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, l.config.PublishTimeout)
	unhook := context.AfterFunc(l.connection.Load().ended, cancel)
	return ctx, func() { unhook(); cancel() }
}

// watchConnection ends the connection when NATS reports that it is lost.
func (l *Log) watchConnection(changes chan nats.Status) {
	for {
		select {
		case <-l.stop:
			return
		case <-changes:
			l.connection.Swap(newConnection()).end()
		}
	}
}

func (c *Config) complete() error {
	if c.Conn == nil || c.Folds == nil {
		return fmt.Errorf("the configuration needs Conn and Folds: %w", ErrConfig)
	}
	setDefault(&c.Streams, 1)
	setDefault(&c.Replicas, 1)
	setDefault(&c.CacheBytes, 16<<20)
	setDefault(&c.PublishTimeout, 5*time.Second)
	setDefault(&c.Patience, 30*time.Second)
	if c.Streams < 1 || c.Streams > events.Shards {
		return fmt.Errorf("%d streams: 1 to %d are possible: %w", c.Streams, events.Shards, ErrConfig)
	}
	if c.Writer != nil && c.Marks == "" {
		return fmt.Errorf("a log that writes needs a directory of high-water marks (Marks): %w", ErrConfig)
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// As returns the same log for another writer of this process. Close closes it for all of them. The error is ErrConfig if
// the writer is not trusted.
func (l *Log) As(writer nkeys.KeyPair) (*Log, error) {
	public, err := writer.PublicKey()
	if err != nil {
		return l, fmt.Errorf("reading the writer's public key: %w", err)
	}
	known, ok := l.trust.Load().writers[public]
	if !ok || !known.retired.IsZero() {
		return l, fmt.Errorf("this process signs as %s, which is not a trusted writer; enrol it first: %w", public, ErrConfig)
	}
	seed, err := writer.Seed()
	if err != nil {
		return l, fmt.Errorf("reading the writer's seed: %w", err)
	}
	_, raw, err := nkeys.DecodeSeed(seed)
	if err != nil {
		return l, fmt.Errorf("decoding the writer's seed: %w", err)
	}
	// The raw key: nkeys derives it again from the seed at each signature, which doubles the cost.
	return &Log{shared: l.shared, key: ed25519.NewKeyFromSeed(raw), public: public, role: known.role}, nil
}

// SetWriters replaces the writers that are trusted beside those that the log enrols.
func (l *Log) SetWriters(ctx context.Context, writers map[string]Role) error {
	if err := l.anchor(writers); err != nil {
		return err
	}
	l.memory.clear()
	return l.LearnWriters(ctx)
}

// anchor trusts the writers of the configuration, and nobody else yet.
func (l *Log) anchor(writers map[string]Role) error {
	set, err := newTrust(writers)
	if err != nil {
		return err
	}
	l.anchors.Store(&set)
	l.trust.Store(&set)
	return nil
}

// Close syncs the high-water marks and releases their directory. The connection stays open. A second call does nothing.
func (l *Log) Close() error {
	var err error
	l.closing.Do(func() { err = l.close() })
	return err
}

func (l *Log) close() error {
	close(l.stop)
	l.stopped.Wait()
	if l.changes != nil {
		l.config.Conn.RemoveStatusListener(l.changes)
	}
	l.connection.Load().end()
	var errs []error
	for _, s := range l.streams {
		errs = append(errs, s.mark.close())
	}
	if l.lock != nil {
		errs = append(errs, l.lock.Close())
	}
	return errors.Join(errs...)
}

func (l *Log) syncMarks() {
	ticker := time.NewTicker(syncEvery)
	defer ticker.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-ticker.C:
		}
		for _, s := range l.streams {
			if err := s.mark.sync(); err != nil {
				l.config.Logger.Error("high-water mark is not durable", "stream", s.name, "error", err)
			}
		}
	}
}

func (l *Log) markPath(stream string) string { return filepath.Join(l.config.Marks, stream+markSuffix) }

// target is the location of one aggregate.
type target struct {
	kind, id, subject string
	stream            *stream
	fold              Fold
}

func (l *Log) target(kind, id string) (target, error) {
	fold, ok := l.config.Folds[kind]
	if !ok {
		return target{}, fmt.Errorf("kind %q has no fold: %w", kind, ErrConfig)
	}
	if !events.ValidID(id) {
		return target{}, fmt.Errorf("%q can't be the id of a %s: %w", id, kind, ErrConfig)
	}
	i := events.StreamOfShard(events.Shard(id), len(l.streams))
	return target{kind: kind, id: id, subject: events.LogSubject(kind, id), stream: l.streams[i], fold: fold}, nil
}
