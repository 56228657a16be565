// Package tether starts programs that don't outlive this one.
package tether

import (
	"os/exec"
	"runtime"
)

// Process is a program that the system kills when this one ends, however it ends.
type Process struct {
	*exec.Cmd
	ended chan struct{}
}

// Start starts cmd. Call Wait on the result, as on an exec.Cmd.
func Start(cmd *exec.Cmd) (*Process, error) {
	tie(cmd)
	p := &Process{cmd, make(chan struct{})}
	started := make(chan error)
	go func() {
		// The system kills the child when the thread that started it ends, so the thread is kept until the child has
		// ended.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			<-p.ended
		}
	}()
	return p, <-started
}

// Wait waits until the program has ended, like exec.Cmd's Wait. Call it once.
func (p *Process) Wait() error {
	defer close(p.ended)
	return p.Cmd.Wait()
}
