// Package eventlog is the log: aggregates of commits on NATS JetStream, one message per decision.
//
// Update stores a decision, Load and History read one aggregate, Follow and Scan read all of them. An acknowledged
// commit is on disk. Any number of writers, in any number of processes, may decide about one aggregate at once: the
// server takes a commit only where its writer had seen the end. Nothing is served that is not signed by a trusted
// writer, that does not continue the chain, or from a stream that lost what was once seen in it.
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
)

// MayPublish lists the subjects that whoever writes the log and follows it publishes to, besides what reading takes.
func MayPublish() []string { return []string{"shomei.log.>", positionSubject + "*"} }

// Fold makes states of commits, for one kind of aggregate.
type Fold struct {
	// Version of the fold. States of an older version are folded again from the history, newer ones are refused.
	Version uint32
	// Apply gives the encoded state after c; state nil is the empty one. It changes neither argument.
	Apply func(state []byte, c *events.Commit) ([]byte, error)
	// Remembered says at which revision a recent command was answered, if the state still knows.
	Remembered func(state []byte, commandID string) (revision uint64, ok bool)
}

// Config is what a Log needs. Conn and Folds are required, everything else has a default or is optional.
type Config struct {
	// Conn is a connection of its own, or shared; Close does not close it.
	Conn *nats.Conn
	// SetUp is a connection of the user that may make streams and set them right, needed until Open returns; nil: Conn's
	// may. Whoever writes commits needs no right to the streams themselves.
	SetUp *nats.Conn
	// Writer signs commits; nil opens the log for reading only. Its public key must be among Writers.
	Writer nkeys.KeyPair
	// Writers are the public user nkeys (U…) that are believed, and their roles.
	Writers map[string]Role
	// Folds by kind of aggregate. A kind without one can't be updated or loaded.
	Folds map[string]Fold
	// Streams is the number of streams, 1 to 4096 (1 when zero). Replicas is 1, 3 or 5 (1 when zero).
	Streams, Replicas int
	// MaxBytes limits each stream, in bytes; commits beyond it are refused with ErrFull. Zero is no limit. Choose it so that
	// the disk keeps a reserve when all streams are full.
	MaxBytes int64
	// Marks is the directory of the high-water marks: on this machine, outside JetStream's store, of this process alone.
	// Required with Writer. Without it loss is noticed only while the process lives.
	Marks string
	// Gaps is the folder in which the server's start leaves what is known to be missing in a stream (pkg/eventlog/blocks).
	// Without it a stream that anything is missing in is not served.
	Gaps string
	// Clock gives the time; time.Now when nil.
	Clock func() time.Time
	// Logger takes warnings; slog.Default when nil.
	Logger *slog.Logger
	// PublishTimeout is how long one answer is waited for (5 s when zero), Patience how long Update goes on while the
	// server is away (30 s when zero). The context ends both earlier.
	PublishTimeout, Patience time.Duration
	// CacheBytes bounds the memory for recent heads, and as much again that for recent histories (16 MB when zero, none when
	// negative).
	CacheBytes int
}

// Log is the log. Its methods may be called from many goroutines.
type Log struct {
	config  Config
	js      jetstream.JetStream
	trust   atomic.Pointer[trust]
	streams []*stream
	memory  memory
	locks   subjectLocks
	signer  ed25519.PrivateKey
	public  string
	role    Role
	metrics *metrics
	link    atomic.Pointer[link]
	changes chan nats.Status
	lock    *os.File
	closing sync.Once
	stop    chan struct{}
	stopped sync.WaitGroup
}

// Open connects to the streams, makes those that are missing, and compares each with its high-water mark. A stream that
// may not be served is named in the log and stays shut, the others are served (Check names it again). Errors are
// ErrBehindMark and ErrDamaged when none may be served, ErrLayout, ErrMarks and ErrConfig.
func Open(ctx context.Context, config Config) (*Log, error) {
	if err := config.complete(); err != nil {
		return nil, err
	}
	l := &Log{config: config, memory: newMemory(config.CacheBytes), metrics: newMetrics(), stop: make(chan struct{})}
	l.locks.held = make(map[string]*subjectLock)
	l.link.Store(newLink())
	if err := l.SetWriters(config.Writers); err != nil {
		return nil, err
	}
	if err := l.takeWriter(); err != nil {
		return nil, err
	}
	var err error
	if l.js, err = jetstream.New(config.Conn, jetstream.WithDefaultTimeout(config.PublishTimeout)); err != nil {
		return nil, fmt.Errorf("opening JetStream: %w", err)
	}
	if err := l.openStreams(ctx); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	l.stopped.Go(l.syncMarks)
	l.changes = config.Conn.StatusChanged(nats.RECONNECTING, nats.DISCONNECTED)
	l.stopped.Go(func() { l.watchLink(l.changes) })
	return l, nil
}

// link is one stay on a server. When it ends, answers that were waited for will not come.
type link struct {
	ended context.Context
	end   context.CancelFunc
}

func newLink() *link {
	ended, end := context.WithCancel(context.Background())
	return &link{ended: ended, end: end}
}

// asking bounds one question to the server: by the time-out, and by the connection it is asked on.
func (l *Log) asking(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, l.config.PublishTimeout)
	unhook := context.AfterFunc(l.link.Load().ended, cancel)
	return ctx, func() { unhook(); cancel() }
}

// watchLink ends the link when the connection does.
func (l *Log) watchLink(changes chan nats.Status) {
	for {
		select {
		case <-l.stop:
			return
		case <-changes:
			l.link.Swap(newLink()).end()
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

// takeWriter keeps the raw key: nkeys derives it again from the seed at each signature, which doubles the cost.
func (l *Log) takeWriter() error {
	if l.config.Writer == nil {
		return nil
	}
	public, err := l.config.Writer.PublicKey()
	if err != nil {
		return fmt.Errorf("reading the writer's public key: %w", err)
	}
	known, ok := l.trust.Load().writers[public]
	if !ok {
		return fmt.Errorf("this process signs as %s, which is not among the trusted writers; enrol it first: %w", public, ErrConfig)
	}
	seed, err := l.config.Writer.Seed()
	if err != nil {
		return fmt.Errorf("reading the writer's seed: %w", err)
	}
	_, raw, err := nkeys.DecodeSeed(seed)
	if err != nil {
		return fmt.Errorf("decoding the writer's seed: %w", err)
	}
	l.public, l.role, l.signer = public, known.role, ed25519.NewKeyFromSeed(raw)
	return nil
}

// SetWriters replaces the writers that are believed, when one is enrolled or retired.
func (l *Log) SetWriters(writers map[string]Role) error {
	set, err := newTrust(writers)
	if err != nil {
		return err
	}
	l.trust.Store(&set)
	l.memory.clear()
	return nil
}

// Close syncs the high-water marks and lets their directory go. The connection stays open. A
// second call does nothing.
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
	l.link.Load().end()
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

// target is the place of one aggregate.
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
