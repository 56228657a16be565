package bench

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// tick is the unit of processor times in /proc: USER_HZ is 100 on every Linux that Go runs on.
const tick = 10 * time.Millisecond

// processorTime returns how long a process has been on a core since it began (proc_pid_stat(5), utime and stime).
// Unlike wall-clock time it is about the same on a busy machine as on an idle one.
func processorTime(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), ") ") // the name before it may hold anything
	var state string
	var skipped, user, system int64
	_, err = fmt.Sscan(rest, &state, &skipped, &skipped, &skipped, &skipped, &skipped, &skipped, &skipped, &skipped,
		&skipped, &skipped, &user, &system)
	if err != nil {
		return 0, fmt.Errorf("reading the processor time of process %d: %w", pid, err)
	}
	return time.Duration(user+system) * tick, nil
}

// cost is the processor time that two processes took for each of some commits, in microseconds.
type cost struct{ hub, engine []float64 }

// meter reads both processes; the returned function records what they have used since, for so many commits.
func (c *cost) meter(engine, commits int) (note func() error, err error) {
	hubBefore, err := processorTime(os.Getpid())
	if err != nil {
		return nil, err
	}
	engineBefore, err := processorTime(engine)
	if err != nil {
		return nil, err
	}
	return func() error {
		hubAfter, err := processorTime(os.Getpid())
		if err != nil {
			return err
		}
		engineAfter, err := processorTime(engine)
		if err != nil {
			return err
		}
		each := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 / float64(commits) }
		c.hub, c.engine = append(c.hub, each(hubAfter-hubBefore)), append(c.engine, each(engineAfter-engineBefore))
		return nil
	}, nil
}
