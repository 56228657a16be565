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

// ErrHeld says that another program works on the data folder: a hub that is being started or stopped, or a tool that
// found none running.
var ErrHeld = errors.New("another program works on this data folder")

// ErrRuns says that a hub runs on the data folder already. It goes on until somebody stops it, so nothing waits for it.
var ErrRuns = errors.New("a hub runs on this data folder already")

const (
	// holdWait is how long a start waits for whoever holds the folder: a little longer than a hub may take to stop.
	holdWait  = 45 * time.Second
	holdEvery = 50 * time.Millisecond
)

// hold takes the data folder for this process until Close, so that no two ever run servers on the same files: a tool
// that is called while the hub is being started again must not take the log for its own. A hub that runs is not waited for.
func (p *Parts) hold(ctx context.Context) error {
	at, runs, err := p.find(ctx)
	if err == nil && runs {
		err = fmt.Errorf("%s: %w: process %d, which counters reach at %s; go on with it, stop it first, or give another folder with --data",
			p.Data, ErrRuns, at.PID, at.URL)
	}
	return err
}

// find tells where the hub of this folder runs. When none does the folder is this process's from now on; one that is being
// started or stopped is waited for.
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

// tryHold takes the folder if nobody has it. The lock ends with the process, however that ends, so whoever gets it knows that
// no hub runs here: an address that is left was that of one that was killed.
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

// sign writes into the lock who has it, for people who wait.
func sign(lock *os.File) error {
	_, err := fmt.Fprintln(lock, os.Getpid())
	return err
}

// holder is the number of the process that has the folder, as far as it has said.
func (p *Parts) holder() string {
	text, err := os.ReadFile(p.path("hub.lock"))
	if number := strings.TrimSpace(string(text)); err == nil && number != "" {
		return number
	}
	return "unknown"
}

// ShareHold lets a program that is about to be started hold the data folder too: the folder is free when this process and
// that program have both ended.
func (p *Parts) ShareHold(program *exec.Cmd) {
	program.ExtraFiles = append(program.ExtraFiles, p.lock)
}
