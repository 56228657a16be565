package hub

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"shomei/pkg/eventlog"
	"shomei/services/dispatcher"
	"shomei/services/notifier"
	"shomei/services/ra"
)

// row is one service of a centre: the names of the parts it needs, and how it runs.
type row struct {
	name  string
	needs []string
	// intake rows take claims in or act when dates arrive. They stop first, so that the others can carry out what they
	// brought about.
	intake bool
	run    func(*Parts, context.Context) error
}

// table lists the rows of a whole centre. Orders of operators and tools need parts, and no row.
var table = []row{
	{"ra", []string{"ra"}, true, func(p *Parts, ctx context.Context) error { return p.RA.Run(ctx) }},
	{"ceremonies", []string{"issuer"}, true, func(p *Parts, ctx context.Context) error { return p.Issuer.RunDays(ctx) }},
	{"register", []string{"register"}, true, func(p *Parts, ctx context.Context) error { return p.Register.Run(ctx) }},
	{"expiry", []string{"expiry"}, true, func(p *Parts, ctx context.Context) error { return p.Expiry.Run(ctx) }},
	{"directory", []string{"directory"}, false, (*Parts).runDirectory},
	{"watch", []string{"log"}, false, (*Parts).watch},
	{"permits", []string{"directory"}, false, (*Parts).answerPermits},
	{"links", []string{"links", "cards", "ra"}, false, (*Parts).answerLinks},
	{"vault", []string{"vault"}, false, func(p *Parts, ctx context.Context) error { return p.vaultService.Run(ctx) }},
	{"issuer", []string{"issuer"}, false, func(p *Parts, ctx context.Context) error { return p.Issuer.Run(ctx) }},
	{"dispatcher", []string{"log", "links", "directory", "vault"}, false, (*Parts).runDispatcher},
	{"cards", []string{"cards"}, false, func(p *Parts, ctx context.Context) error { return p.Cards.Run(ctx) }},
	{"notifier", []string{"notifier"}, false, func(p *Parts, ctx context.Context) error { return p.notifier.Run(ctx) }},
	{"eraser", []string{"vault"}, false, func(p *Parts, ctx context.Context) error { return p.eraser.Run(ctx) }},
	{"projector", []string{"projector"}, false, (*Parts).keepTables},
	{"validation", []string{"validation"}, false, func(p *Parts, ctx context.Context) error { return p.Validation.Run(ctx) }},
}

// raConfig returns the configuration of a registration authority on these parts.
func (p *Parts) raConfig() ra.Config {
	return ra.Config{
		Log: p.as(eventlog.RoleRA), Links: p.Links, Directory: p.Directory, Vault: p.sealed, SealKey: p.keys.seal, Secret: p.keys.secret,
		Switches: p.Switches, Clock: p.Clock.Now, Simulated: p.Clock.Simulated(), Logger: p.Logger,
		KnownSerials: p.Warehouse.KnownSerials, Inquired: p.Warehouse.Inquired, Handled: p.positions.note(ra.Joiner), ConsoleName: p.ConsoleName,
	}
}

func (p *Parts) runDirectory(ctx context.Context) error {
	follower := "directory"
	if p.program != nil {
		follower = p.program.directory()
	}
	return p.Directory.Follow(ctx, p.Log, follower)
}

func (p *Parts) runDispatcher(ctx context.Context) error {
	return dispatcher.New(dispatcher.Config{
		Log: p.as(eventlog.RoleDispatcher), Links: p.Links, Directory: p.Directory, Vault: p.sealed, Patience: p.Patience, Ready: p.issuerReady,
		Clock: p.Clock.Now, Logger: p.Logger, Handled: p.positions.note("dispatcher"),
	}).Run(ctx)
}

func (p *Parts) openNotifier(context.Context) (err error) {
	p.notifier, err = notifier.New(notifier.Config{
		Log: p.as(eventlog.RoleNotifier), Directory: p.Directory, Vault: p.sealed, Mailer: p.mailer, From: p.From, PrintDesk: p.PrintDesk,
		Switches: p.Switches, Clock: p.Clock.Now, Logger: p.Logger, Retry: time.Second, Handled: p.positions.note("notifier"),
	})
	return err
}

// running is a set of started rows. If one fails, all end: better nothing than half a centre.
type running struct {
	group *errgroup.Group
	// ended is done once a row has failed or all are stopped.
	ended            context.Context
	stop, stopIntake context.CancelFunc
	intake           sync.WaitGroup
	takesIn          bool
}

func (p *Parts) run(rows []row) *running {
	all, stop := context.WithCancel(context.Background())
	r := &running{stop: stop}
	r.group, r.ended = errgroup.WithContext(all)
	intake, stopIntake := context.WithCancel(r.ended)
	r.stopIntake = stopIntake
	for _, one := range rows {
		ctx := r.ended
		if one.intake {
			ctx = intake
			r.intake.Add(1)
			r.takesIn = true
		}
		r.group.Go(func() error {
			if one.intake {
				defer r.intake.Done()
			}
			if err := one.run(p, ctx); err != nil {
				return fmt.Errorf("%s: %w", one.name, err)
			}
			return nil
		})
	}
	return r
}

// end stops the intake rows and then, once the others have carried out what they brought about, everything.
func (r *running) end(drain func(ended context.Context)) error {
	if r.takesIn {
		r.stopIntake()
		r.intake.Wait()
		drain(r.ended)
	}
	r.stop()
	return r.group.Wait()
}
