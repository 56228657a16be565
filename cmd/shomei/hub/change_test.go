package hub

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"shomei/events"
	"shomei/pkg/ca"
	"shomei/pkg/eventlog"
	"shomei/pkg/vault"
	"shomei/pkg/wait"
)

// changed opens a change, does it and closes it.
func changed(t *testing.T, c Config, program string, do func(*Change) error, parts ...string) {
	t.Helper()
	h, err := OpenChange(t.Context(), c, "0042", program, parts...)
	check(t, err)
	check(t, do(h))
	check(t, h.Close())
}

// ordered returns the events of a kind about an authority, and checks that the officer stands in their commits.
func ordered(t *testing.T, p *Parts, id, name string) (found []*events.Event) {
	t.Helper()
	history, err := p.Log.History(t.Context(), events.KindAuthority, id)
	check(t, err)
	for _, r := range history {
		for _, e := range r.Commit.GetEvents() {
			if events.Name(e) == name && r.Commit.GetActor().GetId() == "0042" {
				found = append(found, e)
			}
		}
	}
	return found
}

// TestKeysAreChangedByCommand in a centre of one process: each change leaves its event, and the former key is worth nothing.
func TestKeysAreChangedByCommand(t *testing.T) {
	c := begun(t)
	root := filepath.Join(t.TempDir(), "root.nk")
	if err := TakeRoot(c, filepath.Join(c.Data, "root.nk")); err == nil {
		t.Error("the root's key was moved within the data folder")
	}
	check(t, TakeRoot(c, root))
	master := needles(t, c)["keys/master.key"]
	changed(t, c, "vault", func(h *Change) error {
		sealed, err := h.Vault.Seal("p1", vault.Identity, vault.Binding{ID: "p1"}, []byte("花子"))
		check(t, err)
		version, err := h.Master(t.Context())
		if err != nil || version != 2 {
			t.Errorf("version %d, %v", version, err)
		}
		if open, err := h.Vault.Open("p1", vault.Binding{ID: "p1"}, sealed); err != nil || string(open) != "花子" {
			t.Errorf("opened %q, %v", open, err)
		}
		if len(ordered(t, h.Parts, events.AuthorityLog, "MasterKeyChanged")) != 1 {
			t.Error("the log does not say that the master key was changed")
		}
		return nil
	}, "vault")
	if found := standsClear(t, map[string][][]byte{"master": master}, c.Data); len(found) > 0 {
		t.Errorf("the former master key: %q", found)
	}
	changed(t, c, "issuer", func(h *Change) error { return nextGeneration(t, h) }, "issuer")

	former := writerOf(t, c, eventlog.RoleNotifier)
	changed(t, c, "operator", func(h *Change) error {
		if _, err := h.Writer(t.Context(), eventlog.RoleNotifier, filepath.Join(h.Data, "keys", "hub.nk")); !errors.Is(err, ErrRefused) {
			t.Errorf("enrolled by another key than the root's: %v", err)
		}
		_, err := h.Writer(t.Context(), eventlog.RoleNotifier, root)
		return err
	})
	interrupted(t, c, root)
	p, _ := writersOf(t, c.Data)
	for _, w := range p.Log.Writers() {
		if w.Public == former && w.Retired.IsZero() {
			t.Error("the former key is not retired")
		}
	}
	if len(ordered(t, p, events.AuthorityWriters, "WriterRetired")) != 2 {
		t.Error("the log does not say who retired the keys")
	}
	closeParts(t, p)
}

// nextGeneration changes the key of the authority for signatures, and looks at which signs what.
func nextGeneration(t *testing.T, h *Change) error {
	t.Helper()
	before, err := h.Directory.Generations().At(ca.Sign, "", h.Clock.Now())
	check(t, err)
	if _, err := h.Authority(t.Context(), "juki-12"); !errors.Is(err, ErrRefused) {
		t.Errorf("an authority that is none: %v", err)
	}
	number, err := h.Authority(t.Context(), "sign")
	check(t, err)
	after, err := h.Directory.Generations().At(ca.Sign, "", h.Clock.Now().Add(time.Second))
	if err != nil || after.Number != number || number != before.Number+1 {
		t.Errorf("signed by %v, ordered %d after %v: %v", after, number, before, err)
	}
	if force := h.Directory.Generations().InForce(ca.Sign, "", h.Clock.Now().Add(time.Second)); !slices.Contains(force, before) {
		t.Error("the former key signs no list any more")
	}
	if len(ordered(t, h.Parts, "sign", "GenerationActivated")) != 1 {
		t.Error("the log does not say who changed the key")
	}
	return h.Issuer.Healthy(t.Context())
}

func writerOf(t *testing.T, c Config, role eventlog.Role) string {
	t.Helper()
	p := newParts(c)
	check(t, p.unlock())
	pair, err := existingKey(p.secrets, p.path("keys", "writers", string(role)+".nk"))
	check(t, err)
	public, err := pair.PublicKey()
	check(t, err)
	return public
}

// interrupted changes a writer's key as a process does that is killed after the root has enrolled it.
func interrupted(t *testing.T, c Config, root string) {
	t.Helper()
	file := filepath.Join(c.Data, "keys", "writers", "expiry.nk")
	former, err := os.ReadFile(file)
	check(t, err)
	changed(t, c, "operator", func(h *Change) error {
		_, err := h.Writer(t.Context(), eventlog.RoleExpiry, root)
		return err
	})
	check(t, os.Rename(file, file+nextSuffix))
	check(t, os.WriteFile(file, former, 0o600))
	p, _ := writersOf(t, c.Data) // which starts, and writes by the key that is enrolled
	closeParts(t, p)
	if now, err := os.ReadFile(file); err != nil || string(now) == string(former) {
		t.Errorf("the enrolled key was not taken: %v", err)
	}
}

// builtServer builds the NATS server that an operator of a separated centre runs.
func builtServer(t *testing.T) (program string) {
	t.Helper()
	program = filepath.Join(t.TempDir(), "nats-server")
	build := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-w", "-o", program, "github.com/nats-io/nats-server/v2")
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the NATS server: %v\n%s", err, said)
	}
	return program
}

func runServer(t *testing.T, program, conf string) (stop func()) {
	t.Helper()
	server := exec.CommandContext(t.Context(), program, "-c", conf)
	check(t, server.Start())
	return func() { _ = server.Process.Kill(); _ = server.Wait() }
}

// signsIn reports whether credentials are let in.
func signsIn(t *testing.T, c Config, creds string) bool {
	t.Helper()
	var conn *nats.Conn
	err := wait.Until(t.Context(), lookEvery, func() (_ bool, err error) {
		conn, err = nats.Connect(c.Servers[0], nats.UserCredentialBytes([]byte(creds)), nats.RootCAs(filepath.Join(c.Data, "keys", authorityFile)), nats.TLSHandshakeFirst())
		return err == nil || errors.Is(err, nats.ErrAuthorization) || strings.Contains(err.Error(), "authorization") || strings.Contains(err.Error(), "revoked"), nil
	})
	check(t, err)
	if conn != nil {
		conn.Close()
	}
	return conn != nil
}

// TestKeysOfProgramsAreChangedByCommand in a sealed centre of several programs.
func TestKeysOfProgramsAreChangedByCommand(t *testing.T) {
	c := begun(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	c.Port = l.Addr().(*net.TCPAddr).Port
	check(t, l.Close())
	root := filepath.Join(t.TempDir(), "root.nk")
	check(t, TakeRoot(c, root))
	by := byCredential(t)
	_, err = Seal(t.Context(), c, by)
	check(t, err)
	c.Unlocking = by
	s := Separation{Out: filepath.Join(t.TempDir(), "out"), Tables: "127.0.0.1:8123", Settings: func(program, data, server string) ([]byte, error) {
		c.Servers = []string{server}
		return settings(program, data, server)
	}}
	separate(t, c, s)
	conf := filepath.Join(s.Out, "nats", "nats.conf")
	server := builtServer(t)
	stop := runServer(t, server, conf)
	t.Cleanup(func() { stop() })
	of := func(program string) Config {
		own := c
		if program != "operator" {
			own.Data = filepath.Join(s.Out, program)
		}
		return own
	}
	if _, err := OpenChange(t.Context(), of("issuer"), "0042", "vault"); err == nil {
		t.Error("the issuer's folder was taken for the vault's")
	}
	changed(t, of("vault"), "vault", func(h *Change) error { _, err := h.Master(t.Context()); return err }, "vault")
	changed(t, of("issuer"), "issuer", func(h *Change) error { return nextGeneration(t, h) }, "issuer")
	former := writerOf(t, of("notifier"), eventlog.RoleNotifier)
	changed(t, of("operator"), "operator", func(h *Change) error { _, err := h.Writer(t.Context(), eventlog.RoleNotifier, root); return err })
	if writerOf(t, of("notifier"), eventlog.RoleNotifier) == former {
		t.Error("the notifier's folder holds its former key")
	}

	creds := func(program, file string) string {
		p := newParts(of(program))
		check(t, p.unlock())
		text, err := p.secrets.Read(p.path("keys", file))
		check(t, err)
		return string(text)
	}
	old := map[string]string{credentials: creds("ra", credentials), gateFile: creds("ra", gateFile)}
	changed(t, of("operator"), "operator", func(h *Change) error {
		check(t, h.NATS(t.Context(), "ra"))
		if len(ordered(t, h.Parts, events.AuthorityLog, "ProgramUserRevoked")) != 2 {
			t.Error("the log does not say whose credentials were changed")
		}
		return nil
	}, "directory")
	for range 2 {
		for file, text := range old {
			if signsIn(t, c, text) {
				t.Errorf("the former %s are let in", file)
			}
			if !signsIn(t, c, creds("ra", file)) {
				t.Errorf("the new %s are refused", file)
			}
		}
		if !signsIn(t, c, creds("issuer", credentials)) {
			t.Error("another program is refused")
		}
		stop()
		stop = runServer(t, server, conf)
	}

	// A server that has forgotten everything, as after a restore, is told by the operator.
	stop()
	check(t, os.RemoveAll(filepath.Join(s.Out, "nats", "accounts")))
	check(t, os.MkdirAll(filepath.Join(s.Out, "nats", "accounts"), 0o700))
	stop = runServer(t, server, conf)
	h, err := Join(t.Context(), of("operator"), "operator")
	check(t, err)
	err = wait.Until(t.Context(), lookEvery, func() (bool, error) { return !signsIn(t, c, old[credentials]), nil })
	check(t, errors.Join(err, h.Close()))
}
