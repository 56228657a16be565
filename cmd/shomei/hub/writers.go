package hub

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/nats-io/nkeys"

	"shomei/events"
	"shomei/pkg/durable"
	"shomei/pkg/eventlog"
	"shomei/pkg/secret"
)

// writing lists the roles with a key of their own in this process.
var writing = []eventlog.Role{
	eventlog.RoleRA, eventlog.RoleIssuer, eventlog.RoleDispatcher, eventlog.RoleExpiry, eventlog.RoleNotifier,
	eventlog.RoleEraser, eventlog.RoleCards, eventlog.RoleOperator, eventlog.RoleConsole,
}

const (
	// rootFile holds the root's key. It is made at the first start and needed again only when a writer is enrolled or
	// retired: keep it elsewhere.
	rootFile = "root.nk"
	// rootPublic holds its public key, which the trust in all other keys rests on.
	rootPublic = "root.pub"
)

// rootOf returns the public key of the root, which it makes at the first start.
func rootOf(secrets *secret.Store, dir string) (string, error) {
	public, err := publicKey(dir, rootPublic)
	if !errors.Is(err, os.ErrNotExist) {
		return public, err
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(dir), "marks", eventlog.WritersFile)); err == nil {
		return "", fmt.Errorf("keys/%s is missing, and another root would enrol nobody whom the log knows: put back the file of this deployment", rootPublic)
	}
	root, err := writerKey(secrets, filepath.Join(dir, rootFile))
	if err != nil {
		return "", err
	}
	if public, err = root.PublicKey(); err != nil {
		return "", err
	}
	return public, durable.WriteFile(filepath.Join(dir, rootPublic), []byte(public+"\n"))
}

// openWriters reads the keys of the roles that write, or makes them.
func openWriters(secrets *secret.Store, dir string) (map[eventlog.Role]nkeys.KeyPair, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	pairs := make(map[eventlog.Role]nkeys.KeyPair)
	for _, role := range writing {
		pair, err := writerKey(secrets, filepath.Join(dir, string(role)+".nk"))
		if err != nil {
			return nil, err
		}
		pairs[role] = pair
	}
	return pairs, nil
}

// writerKey reads a writer's key, or makes it if there is none.
func writerKey(secrets *secret.Store, path string) (nkeys.KeyPair, error) {
	if _, err := secrets.Make(path, newWriterSeed); err != nil {
		return nil, err
	}
	return existingKey(secrets, path)
}

func existingKey(secrets *secret.Store, path string) (nkeys.KeyPair, error) {
	seed, err := secrets.Read(path)
	if err != nil {
		return nil, err
	}
	pair, err := nkeys.FromSeed(seed)
	if err != nil {
		return nil, fmt.Errorf("reading the key %s: %w", filepath.Base(path), err)
	}
	return pair, nil
}

// enrolWriters has the root enrol those of this process's keys that the log doesn't know yet, and retire those in whose
// place they are, and then opens the log for each of them.
func (p *Parts) enrolWriters(ctx context.Context) error {
	if err := p.takeNext(); err != nil {
		return err
	}
	due, err := p.enrolments(ctx)
	if err == nil && len(due) > 0 {
		err = p.record(ctx, due)
	}
	if err != nil {
		return err
	}
	p.nameLoneKeys()
	return p.openRoles()
}

// nameLoneKeys says whose keys may alone what takes two operators: those that were enrolled before there were such orders. In a trial
// that is as it should be.
func (p *Parts) nameLoneKeys() {
	if !p.realLog() {
		return
	}
	for _, w := range p.Log.Writers() {
		switch {
		case w.Role != eventlog.RoleOperator || w.Pairs || !w.Retired.IsZero():
		case w.Holder != "":
			p.Logger.Warn("an operator's credentials from before 2026-11-30 may alone what takes two: shomei operators retire, then enrol the officer anew", "officer", w.Holder)
		default:
			p.Logger.Warn("the centre's own operator key is from before 2026-11-30 and may alone what takes two operators: shomei keys change writer operator makes another", "key", w.Public)
		}
	}
}

// openRoles opens the log for each role of which this process has a key.
func (p *Parts) openRoles() (err error) {
	p.logs = make(map[eventlog.Role]*eventlog.Log)
	for role, key := range p.keys.writers {
		if p.logs[role], err = p.Log.As(key); err != nil {
			return fmt.Errorf("opening the log as %s: %w", role, err)
		}
	}
	return nil
}

// enrolments returns the events that are due: this process has one key for each role, and all others are retired.
func (p *Parts) enrolments(ctx context.Context) (due []*events.Event, err error) {
	known := p.Log.Writers()
	var own []string
	for _, role := range writing {
		public, err := p.keys.writers[role].PublicKey()
		if err != nil {
			return nil, err
		}
		own = append(own, public)
		i := slices.IndexFunc(known, func(w eventlog.Writer) bool { return w.Public == public })
		switch {
		case i < 0:
			due = append(due, events.New(&events.WriterEnrolled{PublicKey: public, Role: string(role), Pairs: role == eventlog.RoleOperator && p.realLog()}))
		case known[i].Role != role:
			return nil, fmt.Errorf("keys/writers/%s.nk holds the key of the role %s: move the file away, and a new key is made", role, known[i].Role)
		case !known[i].Retired.IsZero():
			return nil, fmt.Errorf("the key in keys/writers/%s.nk was retired at %s: move the file away, and a new key is made",
				role, showTime(known[i].Retired))
		}
	}
	for _, w := range known {
		replaced := w.Public == p.keys.public || w.Holder == "" && slices.Contains(writing, w.Role) && !slices.Contains(own, w.Public)
		if replaced && w.Retired.IsZero() {
			until, err := p.retiredFrom(ctx)
			if err != nil {
				return nil, err
			}
			if w.Public == p.keys.public { // that it once wrote must be known when another key is in its place
				due = append(due, events.New(&events.WriterEnrolled{PublicKey: w.Public, Role: string(w.Role)}))
			}
			due = append(due, events.New(&events.WriterRetired{PublicKey: w.Public, UntilMs: until}))
		}
	}
	return due, nil
}

// realLog reports whether the log is, or will be, no trial: then no key alone gives an order that needs two operators.
func (p *Parts) realLog() bool { return !p.Clock.Simulated() && !p.Demonstration }

// record writes as the root, whose key is read for this alone.
func (p *Parts) record(ctx context.Context, due []*events.Event) error {
	root, err := p.rootIn(p.path("keys", rootFile))
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("writers of the log must be enrolled, and only the root can: put keys/%s back for one start: %w", rootFile, err)
	}
	if err != nil {
		return err
	}
	return p.recordWriters(ctx, p.envelope(), root, func() ([]*events.Event, error) { return due, nil })
}

// rootIn reads the root's key, wherever its file lies. It is in the clear where it comes from elsewhere.
func (p *Parts) rootIn(file string) (nkeys.KeyPair, error) {
	sealed, err := secret.SealedFile(file)
	if err != nil {
		return nil, fmt.Errorf("the key of the root: %w", err)
	}
	secrets := p.secrets
	if !sealed {
		secrets = nil
	}
	root, err := existingKey(secrets, file)
	if err != nil {
		return nil, err
	}
	if public, err := root.PublicKey(); err != nil || public != p.keys.root {
		return nil, refuse("%s is not the key of this centre's root, whose public key is %s", file, p.keys.root)
	}
	return root, nil
}

// recordWriters records what is due about writers with the key of the root.
func (p *Parts) recordWriters(ctx context.Context, env eventlog.Envelope, root nkeys.KeyPair, due func() ([]*events.Event, error)) error {
	log, err := p.Log.As(root)
	if err != nil {
		return err
	}
	for {
		if err = p.Log.LearnWriters(ctx); err != nil {
			return err
		}
		var head eventlog.Head
		if head, err = p.Log.Load(ctx, events.KindAuthority, events.AuthorityWriters); err != nil {
			return err
		}
		_, err = log.Update(ctx, events.KindAuthority, events.AuthorityWriters, env, func(now eventlog.Head) ([]*events.Event, error) {
			if now.Revision != head.Revision {
				return nil, errMoved // due judges by who is known
			}
			return due()
		})
		if !errors.Is(err, errMoved) {
			break
		}
	}
	if errors.Is(err, ErrRefused) {
		return err
	}
	if err != nil {
		return fmt.Errorf("enrolling and retiring writers of the log: %w", err)
	}
	return p.Log.LearnWriters(ctx)
}

// errMoved: somebody else has written since it was read.
var errMoved = errors.New("the history has grown")

// as returns the log as a role writes it.
func (p *Parts) as(role eventlog.Role) *eventlog.Log { return p.logs[role] }
