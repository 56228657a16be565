package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"shomei/pkg/warehouse/engine/chdb"
)

// errClosed says that the engine is shutting down.
var errClosed = errors.New("the engine is shutting down; try again")

// pool hands out lanes. One further connection, the anchor, stays open beside
// them: the engine is made to start once in a process, and it stops with its
// last connection.
type pool struct {
	open   func() (*chdb.Conn, error)
	anchor *chdb.Conn
	asking sync.Mutex // held while the anchor runs a statement
	free   chan *chdb.Conn
	size   int
	log    *slog.Logger
}

func newPool(size int, log *slog.Logger, open func() (*chdb.Conn, error)) (*pool, error) {
	p := &pool{open: open, free: make(chan *chdb.Conn, size), size: size, log: log}
	var err error
	if p.anchor, err = open(); err != nil {
		return nil, err
	}
	for range size {
		l, err := open()
		if err != nil {
			return nil, err
		}
		p.free <- l
	}
	return p, nil
}

// run executes s on a free lane. A lane whose statement ended otherwise than
// by an answer or an exception is replaced: what it still does is unknown.
func (p *pool) run(ctx context.Context, s chdb.Statement, emit func([]byte) error) (uint64, error) {
	l, err := p.take(ctx)
	if err != nil {
		return 0, err
	}
	sound := false
	defer func() { // also when emit panics, or the pool would shrink
		if !sound {
			l = p.replace(l)
		}
		p.free <- l
	}()
	rows, err := l.Run(ctx, s, emit)
	var e *chdb.Exception
	sound = err == nil || errors.As(err, &e) && !errors.Is(err, chdb.ErrTainted)
	return rows, err
}

func (p *pool) take(ctx context.Context) (*chdb.Conn, error) {
	select {
	case l := <-p.free:
		if !l.Closed() {
			return l, nil
		}
		if l = p.replace(l); l.Closed() {
			p.free <- l
			return nil, errClosed
		}
		return l, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for a free connection of the engine: %w", ctx.Err())
	}
}

// replace closes old and opens another; when that fails the closed lane goes
// back and the next statement tries again.
func (p *pool) replace(old *chdb.Conn) *chdb.Conn {
	old.Close()
	fresh, err := p.open()
	if err != nil {
		p.log.Error("engine connection not reopened", "error", err)
		return old
	}
	return fresh
}

// answers returns once the engine has run a statement, also while long ones
// hold every lane. What it says does not matter: one that hangs says nothing.
func (p *pool) answers(ctx context.Context) {
	p.asking.Lock()
	defer p.asking.Unlock()
	if !p.anchor.Closed() {
		_, _ = p.anchor.Run(ctx, chdb.Statement{SQL: "SELECT 1", Format: "TabSeparated"}, func([]byte) error { return nil })
	}
}

// close waits for every lane to be free and closes them, the anchor last.
func (p *pool) close(ctx context.Context) error {
	for range p.size {
		select {
		case l := <-p.free:
			l.Close()
		case <-ctx.Done():
			return fmt.Errorf("closing the engine: a statement is still running: %w", ctx.Err())
		}
	}
	p.asking.Lock()
	defer p.asking.Unlock()
	p.anchor.Close()
	return nil
}

// describe asks the engine for its name, version and time zone.
func (p *pool) describe(ctx context.Context) (hello, error) {
	var text strings.Builder
	_, err := p.run(ctx, chdb.Statement{SQL: "SELECT displayName(), version(), timezone()", Format: "TabSeparated"},
		func(b []byte) error { text.Write(b); return nil })
	if err != nil {
		return hello{}, fmt.Errorf("asking the engine who it is: %w", err)
	}
	fields := strings.Split(strings.TrimSpace(text.String()), "\t")
	if len(fields) != 3 {
		return hello{}, fmt.Errorf("asking the engine who it is: unexpected answer %q", text.String())
	}
	return hello{name: fields[0], version: fields[1], timezone: fields[2]}, nil
}
