package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"shomei/cmd/cli"
	"shomei/pkg/tether"
	"shomei/pkg/wait"
)

// idle starts everything as `shomei up` does, leaves it alone, and reads how much memory each process holds.
func idle(ctx context.Context, o Options) ([]Figure, error) {
	folder, remove, err := o.scratch()
	if err != nil {
		return nil, err
	}
	defer remove()
	begin := time.Now()
	u, err := startUp(ctx, folder)
	if err != nil {
		return nil, err
	}
	defer u.stop()
	if err := u.served(ctx); err != nil {
		return nil, err
	}
	started := time.Since(begin)
	o.say("idle: started, waiting %s", o.Settled)
	if err := wait.For(ctx, o.Settled); err != nil {
		return nil, err
	}
	figures := []Figure{{Part: "idle", Name: "hub, engine and counter serve after", Value: started.Seconds(), Unit: "s"}}
	processes, err := u.processes()
	if err != nil {
		return figures, err
	}
	for _, p := range processes {
		rss, pss, err := memory(p.pid)
		if err != nil {
			return figures, err
		}
		figures = append(figures, Figure{Name: p.name + ", RSS", Value: rss, Unit: "MB", AtMost: p.limit},
			Figure{Name: p.name + ", PSS", Value: pss, Unit: "MB"})
	}
	return figures, nil
}

// up is a running `shomei up`.
type up struct {
	process *tether.Process
	log     *os.File
	console string
}

// startUp starts shomei, which stands beside this program, on free ports.
func startUp(ctx context.Context, folder string) (*up, error) {
	program, err := cli.Beside("shomei")
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(folder, "up.log"))
	if err != nil {
		return nil, err
	}
	ports, err := freePorts(2)
	if err != nil {
		return nil, err
	}
	u := &up{log: log, console: "http://" + ports[0] + "/"}
	command := exec.CommandContext(ctx, program, "up", "--data", filepath.Join(folder, "data"), "--console", ports[0],
		"--counter", ports[1])
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.Stdout, command.Stderr = log, log
	u.process, err = tether.Start(command)
	return u, err
}

// freePorts returns unused addresses.
func freePorts(n int) ([]string, error) {
	var list []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		list = append(list, l.Addr().String())
	}
	return list, nil
}

func (u *up) stop() {
	_ = u.process.Process.Signal(os.Interrupt)
	_ = u.process.Wait()
	_ = u.log.Close()
}

// served waits until the console responds.
func (u *up) served(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	err := wait.Until(ctx, 10*time.Millisecond, func() (bool, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.console, nil)
		if err != nil {
			return false, err
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			return false, nil
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		return true, answer.Body.Close()
	})
	if err != nil && ctx.Err() != nil {
		text, _ := os.ReadFile(u.log.Name())
		err = fmt.Errorf("shomei up does not serve: %s", text)
	}
	return err
}

type process struct {
	pid   int
	name  string
	limit float64
}

// processes returns the hub and the processes it has started.
func (u *up) processes() ([]process, error) {
	list := []process{{u.process.Process.Pid, "shomei all", 200}}
	children, err := childrenOf(u.process.Process.Pid)
	if err != nil {
		return nil, err
	}
	for _, pid := range children {
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err != nil {
			return nil, err
		}
		arguments := strings.Split(string(line), "\x00")
		switch {
		case filepath.Base(arguments[0]) == "shomei-agent":
			list = append(list, process{pid, "shomei-agent", 80})
		case slices.Contains(arguments, "engine"):
			list = append(list, process{pid, "engine", 400})
		}
	}
	if len(list) != 3 {
		return list, errors.New("hub, engine and shomei-agent should run, and one of them does not: build them all with make build")
	}
	return list, nil
}

func childrenOf(pid int) ([]int, error) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return nil, err
	}
	var children []int
	for _, task := range tasks {
		text, err := os.ReadFile(task)
		if err != nil {
			continue // a thread that has ended
		}
		for _, field := range strings.Fields(string(text)) {
			child, err := strconv.Atoi(field)
			if err != nil {
				return nil, err
			}
			children = append(children, child)
		}
	}
	return children, nil
}

// memory reads the resident and the proportional set size of a process, in MB of a million bytes.
func memory(pid int) (rss, pss float64, err error) {
	file, err := os.Open(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, 0, err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var kb float64
		if n, _ := fmt.Sscanf(lines.Text(), "Rss: %f kB", &kb); n == 1 {
			rss = kb * 1024 / 1e6
		}
		if n, _ := fmt.Sscanf(lines.Text(), "Pss: %f kB", &kb); n == 1 {
			pss = kb * 1024 / 1e6
		}
	}
	return rss, pss, lines.Err()
}
