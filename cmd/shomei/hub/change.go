package hub

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nkeys"

	"shomei/events"
	"shomei/pkg/ca"
	"shomei/pkg/directory"
	"shomei/pkg/durable"
	"shomei/pkg/durable/shred"
	"shomei/pkg/eventlog"
	"shomei/pkg/hubserver"
	"shomei/pkg/ops"
)

// Change changes a key of a centre that is stopped, or of one of its programs. It holds the data folder meanwhile.
type Change struct {
	*Parts
	by Operator
}

// OpenChange opens what a change needs, besides the named parts: in a centre of one process the log on a server of its own, to
// which nobody connects, otherwise the log by the program's own credentials.
func OpenChange(ctx context.Context, c Config, officer, program string, parts ...string) (*Change, error) {
	c.Host, c.Port = "127.0.0.1", -1
	p := newParts(c)
	list, err := p.changing(program, parts)
	if err != nil {
		return nil, err
	}
	by, err := p.By(officer)
	if err == nil {
		err = p.open(ctx, list)
	}
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return &Change{p, by}, nil
}

// changing lists the parts, and finds out which program's folder it is.
func (p *Parts) changing(program string, parts []string) ([]part, error) {
	if _, err := os.Stat(p.path("keys", rootPublic)); err != nil {
		return nil, fmt.Errorf("%s: %w: give the folder with --data, or the configuration with --config", p.Data, ErrNoData)
	}
	wanted := []row{{needs: append(parts, "log")}}
	if !p.Separated() {
		list := needed(serving, wanted)
		for i, one := range list {
			switch one.name {
			case "certificate":
				list[i].open = (*Parts).lendPort
			case "log":
				list[i].open = (*Parts).openStoppedLog
			}
		}
		return list, nil
	}
	p.program = programNamed(program)
	return needed(joining, wanted), p.ownFolder()
}

// ownFolder returns an error unless the folder is the program's, and its configuration says where the others are.
func (p *Parts) ownFolder() error {
	own := slices.DeleteFunc(slices.Clone(p.program.secrets), func(file string) bool { return strings.HasSuffix(file, ".password") })
	for _, role := range p.program.roles {
		own = append(own, filepath.Join("writers", string(role)+".nk"))
	}
	for _, file := range own {
		if _, err := os.Stat(p.path("keys", file)); err != nil {
			return fmt.Errorf("%w: this is done in the folder of shomei %s, and %s is not it: give its configuration with --config",
				ops.ErrConfig, p.program.name, p.Data)
		}
	}
	if len(p.Servers) == 0 {
		return fmt.Errorf("%w: the services of this centre are programs of their own: give the configuration of shomei %s with --config",
			ops.ErrConfig, p.program.name)
	}
	return nil
}

// openStoppedLog opens the log of a centre in one process as it is.
func (p *Parts) openStoppedLog(ctx context.Context) error {
	if err := p.openOwnLog(ctx); err != nil {
		return err
	}
	if err := p.takeNext(); err != nil {
		return err
	}
	return p.openRoles()
}

// Master makes a new master key, wraps every person's key under it and destroys the former. Interrupted anywhere, it leaves a
// vault that opens, and is finished by calling it again.
func (c *Change) Master(ctx context.Context) (version uint32, err error) {
	if err := c.Vault.Rewrap(); err != nil {
		return 0, err
	}
	version, check, err := c.Vault.Master()
	if err != nil {
		return 0, err
	}
	role := eventlog.RoleOperator
	if c.program.runs("vault") {
		role = eventlog.RoleEraser
	}
	return version, c.record(ctx, role, &events.MasterKeyChanged{Version: version, Check: check})
}

// record records a fact about the log as a whole.
func (c *Change) record(ctx context.Context, role eventlog.Role, fact events.Body) error {
	_, err := c.as(role).Update(ctx, events.KindAuthority, events.AuthorityLog, c.by.envelope(), func(eventlog.Head) ([]*events.Event, error) {
		return []*events.Event{events.New(fact)}, nil
	})
	if err != nil {
		return fmt.Errorf("recording that a key was changed: %w", err)
	}
	return nil
}

// Authority puts the next key of an authority into service, and returns its number.
func (c *Change) Authority(ctx context.Context, id string) (number int, err error) {
	if !slices.Contains(c.authorities(), id) {
		return 0, refuse("there is no authority %.40q: there are %s", id, strings.Join(c.authorities(), ", "))
	}
	kind, prefecture, _ := strings.Cut(id, "-")
	if _, err := c.Directory.Generations().At(ca.Kind(kind), prefecture, c.Clock.Now()); err != nil {
		return 0, refuse("%v", err)
	}
	if directory.AuthorityID(ca.Kind(kind), prefecture) != id {
		return 0, refuse("there is no authority %.40q", id)
	}
	return c.Issuer.ChangeKey(ctx, ca.Kind(kind), prefecture, c.by.envelope())
}

// nextSuffix ends the name of a key that is about to take a writer's place.
const nextSuffix = ".next"

// Writer gives a role a new key: the root, whose key is in a file, enrols it and retires the former. It may lie in the folder
// of another program of this machine, which must be stopped. Interrupted, it leaves one of the two in force, and is
// finished by calling it again.
func (c *Change) Writer(ctx context.Context, role eventlog.Role, rootFile string) (public string, err error) {
	if !slices.Contains(writing, role) {
		return "", refuse("%.40q is no role with a key of its own: the roles are %v", role, writing)
	}
	root, err := c.rootIn(rootFile)
	if err != nil {
		return "", err
	}
	defer root.Wipe()
	at, err := c.folderOf(ctx, role)
	if err != nil {
		return "", err
	}
	if at != c.Parts {
		defer func() { err = errors.Join(err, at.Close()) }()
	}
	file := at.path("keys", "writers", string(role)+".nk")
	next, err := writerKey(at.secrets, file+nextSuffix)
	if err != nil {
		return "", err
	}
	if public, err = next.PublicKey(); err != nil {
		return "", err
	}
	if err := c.replaceWriter(ctx, root, role, public); err != nil {
		return "", err
	}
	return public, takeFile(file+nextSuffix, file)
}

// replaceWriter enrols a key and retires all others of the role, in one commit.
func (c *Change) replaceWriter(ctx context.Context, root nkeys.KeyPair, role eventlog.Role, public string) error {
	until, err := c.retiredFrom(ctx)
	if err != nil {
		return err
	}
	var due []*events.Event
	known := false
	for _, w := range c.Log.Writers() {
		switch {
		case w.Public == public:
			known = true
		case w.Role == role && w.Holder == "" && w.Retired.IsZero():
			due = append(due, events.New(&events.WriterRetired{PublicKey: w.Public, UntilMs: until}))
		}
	}
	if !known {
		pairs := role == eventlog.RoleOperator && !c.Directory.Trial()
		due = append([]*events.Event{events.New(&events.WriterEnrolled{PublicKey: public, Role: string(role), Pairs: pairs})}, due...)
	}
	if len(due) == 0 {
		return nil
	}
	return c.recordWriters(ctx, c.by.envelope(), root, func() ([]*events.Event, error) { return due, nil })
}

// folderOf returns the folder of the program that has a role, held so that it does not run meanwhile.
func (c *Change) folderOf(ctx context.Context, role eventlog.Role) (*Parts, error) {
	i := slices.IndexFunc(programs, func(g program) bool { return slices.Contains(g.roles, role) })
	if c.program == nil || programs[i].name == c.program.name {
		return c.Parts, nil
	}
	return c.holdProgram(ctx, programs[i].name)
}

// programFolder returns the folder of a program of this machine, from the operator's.
func (p *Parts) programFolder(name string) (string, error) {
	if name == "operator" {
		return p.Data, nil
	}
	text, err := os.ReadFile(p.path("keys", separatedTo))
	if err != nil {
		return "", fmt.Errorf("%s is not the data folder of an operator: %w", p.Data, err)
	}
	return filepath.Join(strings.TrimSpace(string(text)), name), nil
}

func (c *Change) holdProgram(ctx context.Context, name string) (*Parts, error) {
	folder, err := c.programFolder(name)
	if err != nil {
		return nil, err
	}
	other := newParts(Config{Data: folder, Unlocking: c.Unlocking, Logger: c.Logger})
	if err := other.hold(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("shomei %s has to be stopped: %w", name, err), other.Close())
	}
	if err := other.unlock(); err != nil {
		return nil, errors.Join(err, other.Close())
	}
	return other, nil
}

// takeFile puts a file in the place of another, which is overwritten if it is there.
func takeFile(next, file string) error {
	if err := shred.Finish(file); err != nil {
		return err
	}
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return durable.Rename(next, file)
	}
	if err := shred.SwapIn(next, file); err != nil {
		return err
	}
	return shred.Finish(file)
}

// takeNext puts those keys of roles in their places that the root had enrolled when a change was interrupted.
func (p *Parts) takeNext() error {
	for role := range p.keys.writers {
		file := p.path("keys", "writers", string(role)+".nk")
		next, err := existingKey(p.secrets, file+nextSuffix)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		public, err := next.PublicKey()
		if err != nil {
			return err
		}
		if !p.enrolledAs(role, public) {
			continue // the change had not come to anything yet
		}
		if err := takeFile(file+nextSuffix, file); err != nil {
			return err
		}
		p.keys.writers[role] = next
	}
	return nil
}

// enrolledAs reports whether a key is in force for a role.
func (p *Parts) enrolledAs(role eventlog.Role, public string) bool {
	return slices.ContainsFunc(p.Log.Writers(), func(w eventlog.Writer) bool {
		return w.Public == public && w.Role == role && w.Retired.IsZero()
	})
}

// retiredFrom returns until when a writer is believed that is retired now.
func (p *Parts) retiredFrom(ctx context.Context) (ms int64, err error) {
	last, err := p.Log.LastTime(ctx)
	return last.Add(time.Millisecond).UnixMilli(), err // the next whole one
}

// logHistory calls do for each event about the log as a whole.
func (p *Parts) logHistory(ctx context.Context, do func(*events.Event)) error {
	history, err := p.Log.History(ctx, events.KindAuthority, events.AuthorityLog)
	for _, r := range history {
		for _, e := range r.Commit.GetEvents() {
			do(e)
		}
	}
	return err
}

// formerSuffix ends the name of credentials that are replaced, until the log says that they are revoked.
const formerSuffix = ".former"

// NATS gives a program new credentials and has the server refuse the former, from now on and after any restart. A program that
// runs signs in again by itself. Interrupted, it leaves the program able to sign in, and is finished by calling it again.
func (c *Change) NATS(ctx context.Context, name string) error {
	g := programNamed(name)
	switch {
	case g == nil:
		return refuse("there is no program %.40q", name)
	case c.program == nil || c.keys.accounts.Operator == nil:
		return refuse("the services here run in one process, whose users of NATS are made for each connection: nothing is kept that could be changed")
	}
	folder, err := c.programFolder(name)
	if err != nil {
		return err
	}
	at := newParts(Config{Data: folder, Unlocking: c.Unlocking, Logger: c.Logger})
	if err := at.unlock(); err != nil {
		return err
	}
	service, ok := c.keys.accounts.Service(name)
	if !ok {
		return refuse("%s has no account of NATS here", name)
	}
	err = c.replaceUser(ctx, at, credentials, name, func() ([]byte, error) { return hubserver.Credentials(service.Key, name, service.Rights()) })
	if err == nil && g.has(gateFile) {
		gate := c.keys.gateUser()
		err = c.replaceUser(ctx, at, gateFile, hubserver.CountersAccount, func() ([]byte, error) {
			return hubserver.Credentials(gate.account, gate.name, gate.rights)
		})
	}
	if err != nil {
		return err
	}
	return c.revoke()
}

// replaceUser makes new credentials in the place of those in a file, and records that these are revoked.
func (c *Change) replaceUser(ctx context.Context, at *Parts, name, account string, create func() ([]byte, error)) error {
	file := at.path("keys", name)
	text, err := at.secrets.Make(file+formerSuffix, func() ([]byte, error) { return at.secrets.Read(file) })
	if err != nil {
		return err
	}
	former, err := userIn(text)
	if err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	if text, err = at.secrets.Read(file); err != nil {
		return err
	}
	if now, err := userIn(text); err != nil || now == former {
		if text, err = create(); err != nil {
			return err
		}
		if err := at.secrets.Write(file, text); err != nil {
			return err
		}
	}
	revoked, err := c.replacedUsers(ctx)
	if err == nil && !slices.Contains(revoked[account], former) {
		err = c.record(ctx, eventlog.RoleOperator, &events.ProgramUserRevoked{Account: account, PublicKey: former})
	}
	if err != nil {
		return err
	}
	return shred.Remove(file + formerSuffix)
}

// userIn returns the public key of the user of credentials.
func userIn(text []byte) (string, error) {
	pair, err := nkeys.ParseDecoratedUserNKey(text)
	if err != nil {
		return "", errors.New("it holds no credentials") // the cause would repeat part of it
	}
	defer pair.Wipe()
	return pair.PublicKey()
}
