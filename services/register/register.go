// Package register is the centre's gateway for the resident registers of municipalities: the law's commonest end of a
// certificate comes through it. It answers batches of changes over NATS (pkg/registerlink), judges each change, and makes claims
// of those about people who have applied for something, as a source of each office (counterlink.Source). It writes nothing
// into the log itself.
package register

import (
	"context"
	"crypto/hpke"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
	"github.com/prometheus/client_golang/prometheus"

	"shomei/pkg/counterlink"
	"shomei/pkg/directory"
	"shomei/pkg/eventlog"
	"shomei/pkg/registerlink"
)

// Role is the role under which registers, and the gateway as a source of claims, are enrolled at offices.
const Role = "register"

// Source returns the id under which the gateway is enrolled at an office: its claims are one chain for each office.
func Source(office string) string { return office + "-from-register" }

// Config is what the service needs; all fields are required.
type Config struct {
	// Conn is a connection to the account that registers' batches reach. It may store claims.
	Conn *nats.Conn
	// Log says who has a history, and what was decided.
	Log *eventlog.Log
	// Directory says which registers are enrolled, and follows the log while the service runs.
	Directory *directory.Directory
	// Key signs claims, SealKey opens batches.
	Key     nkeys.KeyPair
	SealKey hpke.PrivateKey
	// HubSealKey is the centre's public key, to which claims are sealed.
	HubSealKey hpke.PublicKey
	// Subscriber returns the id of the person with a resident-record code.
	Subscriber func(code string) string
	Clock      func() time.Time
	// ClockEvidence returns the state of the clock, as a claim carries it.
	ClockEvidence func() string
	Logger        *slog.Logger
}

// Register is the service.
type Register struct {
	Config
	public  string
	server  *registerlink.Server
	changes *prometheus.CounterVec

	mu    sync.Mutex
	lanes map[string]*sync.Mutex // by office
}

// New returns the service.
func New(c Config) (*Register, error) {
	public, err := c.Key.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("reading the key by which the gateway for registers signs claims: %w", err)
	}
	r := &Register{Config: c, public: public, lanes: make(map[string]*sync.Mutex)}
	r.changes = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "shomei_register_changes_total",
		Help: "Changes that resident registers notified, by result (recorded, known, nobody, waits, refused, failed). Alarm when failed grows.",
	}, []string{"result"})
	r.server = registerlink.NewServer(registerlink.ServerConfig{
		Conn: c.Conn, Key: c.SealKey, Enrolled: r.enrolled, Take: r.take, Clock: c.Clock, Logger: c.Logger,
	})
	return r, nil
}

// Collectors returns the metrics of the service, for the command to register once.
func (r *Register) Collectors() []prometheus.Collector { return []prometheus.Collector{r.changes} }

// Run answers registers until ctx ends.
func (r *Register) Run(ctx context.Context) error { return r.server.Run(ctx) }

// enrolled returns the key of a register that is enrolled at an office.
func (r *Register) enrolled(ctx context.Context, office, register string) (publicKey string, err error) {
	c, ok := r.Directory.AwaitCounter(ctx, register)
	if !ok || c.Role != Role || c.Office != office || c.ID == Source(office) {
		return "", fmt.Errorf("no register %.60q is enrolled at office %s, or it was retired", register, office)
	}
	if r.Directory.Doubtful(office) != nil {
		return "", errors.New("the records of this office are damaged; whoever runs the centre has to mend them first")
	}
	return c.PublicKey, nil
}

// source returns the gateway as a source of claims of an office.
func (r *Register) source(ctx context.Context, office string) (*counterlink.Source, error) {
	id := Source(office)
	if c, ok := r.Directory.AwaitCounter(ctx, id); !ok || c.PublicKey != r.public {
		return nil, registerlink.Refusal("the centre's gateway is not enrolled at office " + office + ": enrol the register again, into the same folder")
	}
	return &counterlink.Source{
		Conn: r.Conn, Counter: id, Office: office, Key: r.Key, HubSealKey: r.HubSealKey, Now: r.Clock, ClockEvidence: r.ClockEvidence(),
	}, nil
}

// lane returns the lock of an office's chain of claims.
func (r *Register) lane(office string) *sync.Mutex {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lanes[office] == nil {
		r.lanes[office] = new(sync.Mutex)
	}
	return r.lanes[office]
}
