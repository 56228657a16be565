// Package vault is the vault's service: it seals and opens for the other services of the centre over NATS, each as its
// role may (pkg/vaultlink), and keeps the vault's index of names. The eraser, which destroys keys, is a service of its own that runs in the same process,
// because one process has the vault's files.
package vault

import (
	"context"
	"crypto/hpke"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"shomei/events"
	"shomei/pkg/eventlog"
	"shomei/pkg/order"
	"shomei/pkg/vault"
	"shomei/pkg/vaultlink"
)

// Config is what the service needs; all fields without a remark are required.
type Config struct {
	// Log says who is enrolled.
	Log   *eventlog.Log
	Vault *vault.Vault
	// Conn is the connection to the account to which the other services send their requests.
	Conn *nats.Conn
	// Key opens requests; the other services have its public key.
	Key    hpke.PrivateKey
	Clock  func() time.Time
	Logger *slog.Logger
	// Handled, if set, is called with how far the log's identities are indexed.
	Handled func(eventlog.Positions)
}

// Service is the vault's service.
type Service struct {
	Config
	server *vaultlink.Server
	// learned bounds how often strangers make it read who is enrolled.
	learned rate.Sometimes
}

// New returns the service.
func New(c Config) *Service {
	s := &Service{Config: c, learned: rate.Sometimes{Interval: learnEvery}}
	s.server = vaultlink.NewServer(vaultlink.ServerConfig{
		Conn: c.Conn, Vault: c.Vault, Key: c.Key, Role: s.role, Disclosed: c.disclosed, Clock: c.Clock, Logger: c.Logger,
	})
	return s
}

// learnEvery is how often the log is asked about strangers, and learnWait how long it may take to answer.
const (
	learnEvery = time.Second
	learnWait  = 2 * time.Second
)

// role returns the role of a writer that is enrolled and not retired. A stranger may have been enrolled a moment ago, before the
// service has followed the log so far.
func (s *Service) role(writer string) (eventlog.Role, bool) {
	if role, known := s.Log.RoleOf(writer); known {
		return role, true
	}
	s.learned.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), learnWait)
		defer cancel()
		if err := s.Log.LearnWriters(ctx); err != nil {
			s.Logger.Warn("the log could not be asked who is enrolled", "error", err)
		}
	})
	return s.Log.RoleOf(writer)
}

// disclosedWait is how long the log may take to say whether something was disclosed.
const disclosedWait = 5 * time.Second

func (c Config) disclosed(writer, person string) error {
	ctx, cancel := context.WithTimeout(context.Background(), disclosedWait)
	defer cancel()
	return order.MayOpen(ctx, c.Log, writer, person, c.Clock())
}

// Collectors returns the metrics of the service, for the command to register once.
func (s *Service) Collectors() []prometheus.Collector { return s.server.Collectors() }

// Run answers the other services until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.server.Run(ctx) })
	group.Go(func() error { return s.followWriters(ctx) })
	group.Go(func() error {
		if err := s.index(ctx); ctx.Err() == nil {
			return err
		}
		return nil // it ends while the index was looking how far it is
	})
	return group.Wait()
}

// followWriters has the log learn of each enrolment and retirement as it is recorded: a retired key opens nothing more.
func (s *Service) followWriters(ctx context.Context) error {
	return s.Log.Follow(ctx, eventlog.Follower{
		Name: "vault", Kinds: []string{events.KindAuthority}, Handle: s.learn,
		Parked: func(r eventlog.Record, err error) {
			s.Logger.Error("enrolments and retirements are no longer followed: inspect the aggregate with shomei log, then restart the vault",
				"kind", r.Kind, "id", r.ID, "error", err)
		},
	})
}

func (s *Service) learn(ctx context.Context, records []eventlog.Record) error {
	for _, r := range records {
		if r.ID == events.AuthorityWriters {
			return s.Log.LearnWriters(ctx)
		}
	}
	return nil
}
