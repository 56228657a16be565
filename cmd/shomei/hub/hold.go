package hub

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"shomei/pkg/durable"
	"shomei/pkg/wait"
)

// ErrHeld: another program holds the data folder, either a hub that is starting or stopping, or a tool that found no
// hub running.
var ErrHeld = errors.New("another program works on this data folder")

// ErrRuns: a hub is running on the data folder. Start doesn't wait for it to stop.
var ErrRuns = errors.New("a hub is already running on this data folder")

const (
	// holdWait is how long a start waits for the folder, a little longer than a hub may take to stop.
	holdWait  = 45 * time.Second
	holdEvery = 50 * time.Millisecond
)

// hold locks the data folder for this process until Close, so that no two processes run servers on the same files: a
// tool called while the hub restarts must not take the log for its own. It doesn't wait for a running hub.
func (p *Parts) hold(ctx context.Context) error {
	at, runs, err := p.find(ctx)
	if err == nil && runs {
		err = fmt.Errorf("%s: %w: process %d, which counters reach at %s; go on with it, stop it first, or give another folder with --data",
			p.Data, ErrRuns, at.PID, at.URL)
	}
	return err
}

// find returns the address of this folder's hub, or locks the folder for this process if none is running. It waits for
// a hub that is starting or stopping.
func (p *Parts) find(ctx context.Context) (at address, runs bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, holdWait)
	defer cancel()
	held := false
	err = wait.Until(ctx, holdEvery, func() (bool, error) {
		if held, err = p.tryHold(); !held && err == nil {
			at, runs = p.runsAt()
		}
		return held || runs, err
	})
	if err != nil && errors.Is(err, ctx.Err()) {
		err = fmt.Errorf("%s: %w: process %s; wait until it has ended", p.Data, ErrHeld, p.holder())
	}
	return at, runs, err
}

// tryHold locks the folder if nobody has. The lock ends with the process, however it ends, so its new owner knows that
// no hub is running here: an address still lying around is a killed hub's.
func (p *Parts) tryHold() (bool, error) {
	lock, err := durable.Lock(p.path("hub.lock"))
	if errors.Is(err, durable.ErrLocked) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	p.lock = lock
	p.atEnd(lock.Close)
	if err := os.RemoveAll(p.path(addressFile)); err != nil {
		return false, err
	}
	return true, errors.Join(lock.Truncate(0), sign(lock))
}

// sign writes our process number into the lock file, for people who wait.
func sign(lock *os.File) error {
	_, err := fmt.Fprintln(lock, os.Getpid())
	return err
}

// holder returns the number of the process that holds the folder, or "unknown".
func (p *Parts) holder() string {
	text, err := os.ReadFile(p.path("hub.lock"))
	if number := strings.TrimSpace(string(text)); err == nil && number != "" {
		return number
	}
	return "unknown"
}

// ShareHold lets a program about to start hold the data folder too: it is free again once both have ended.
func (p *Parts) ShareHold(program *exec.Cmd) {
	program.ExtraFiles = append(program.ExtraFiles, p.lock)
}
