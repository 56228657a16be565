package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// condition tells scripts who runs them: [root].
func condition(name string) (bool, error) {
	if name == "root" {
		return os.Geteuid() == 0, nil
	}
	return false, fmt.Errorf("there is no condition %s", name)
}

// machines HUB COUNTER makes two network namespaces that one cable joins, 192.0.2.1 and 192.0.2.2 (RFC 5737), and sets the
// variables to their names.
func machines(ts *testscript.TestScript, _ bool, variables []string) {
	ip := func(arguments ...string) {
		if out, err := exec.Command("ip", arguments...).CombinedOutput(); err != nil {
			ts.Fatalf("ip %s: %v: %s", strings.Join(arguments, " "), err, out)
		}
	}
	var names []string
	for i, variable := range variables {
		name := fmt.Sprintf("shomei-%d-%d", os.Getpid(), i)
		ip("netns", "add", name)
		ts.Defer(func() { _ = exec.Command("ip", "netns", "del", name).Run() })
		ip("-n", name, "link", "set", "lo", "up")
		ts.Setenv(variable, name)
		names = append(names, name)
	}
	ip("link", "add", "cable", "netns", names[0], "type", "veth", "peer", "name", "cable", "netns", names[1])
	for i, name := range names {
		ip("-n", name, "address", "add", fmt.Sprintf("192.0.2.%d/24", i+1), "dev", "cable")
		ip("-n", name, "link", "set", "cable", "up")
	}
}

// on MACHINE COMMAND… runs a command, or a box of the runbook (block NAME), on one of the machines.
func on(ts *testscript.TestScript, _ bool, args []string) {
	command := args[1:]
	if command[0] == "block" {
		command = boxed(ts, command[1])
	}
	ts.Check(ts.Exec("ip", append([]string{"netns", "exec", args[0]}, command...)...))
}

var farConfig = regexp.MustCompile("(?ms)^<!-- far-config -->\n```toml\n(.*?)^```$")

// config FILE puts the runbook's configuration of a hub that other machines reach into a file.
func putConfig(ts *testscript.TestScript, _ bool, args []string) {
	text, err := os.ReadFile(runbook)
	ts.Check(err)
	m := farConfig.FindSubmatch(text)
	if m == nil {
		ts.Fatalf("the runbook has no configuration for counters on other machines")
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(inside(ts, string(m[1]))), 0o600))
}

// browser is a client on one of the machines; on this one when none is named.
func browser(machine ...string) *http.Client {
	if len(machine) == 0 {
		return http.DefaultClient
	}
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return dialOn(ctx, machine[0], network, address)
		},
	}}
}

// dialOn connects from inside a network namespace. The thread that was in it is given up.
func dialOn(ctx context.Context, machine, network, address string) (conn net.Conn, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
		var space *os.File
		if space, err = os.Open("/run/netns/" + machine); err != nil {
			return
		}
		defer space.Close()
		if err = unix.Setns(int(space.Fd()), unix.CLONE_NEWNET); err == nil {
			conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
		}
	}()
	<-done
	return conn, err
}
