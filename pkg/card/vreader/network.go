//go:build linux

package vreader

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"shomei/pkg/card/softcard"
)

var errNotReady = errors.New("pcscd is not ready")

// openNetwork takes hold of the network namespace that pcscd runs in and
// switches its loopback interface on.
func (s *Service) openNetwork() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	network, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", s.daemon.Process.Pid))
	if err != nil {
		return fmt.Errorf("finding pcscd's network: %w", err)
	}
	if err := within(network, loopbackUp); err != nil {
		network.Close()
		return err
	}
	s.network = network
	return nil
}

// dial connects to slot i of the driver inside pcscd's network.
func (s *Service) dial(i int) softcard.Dial {
	return func(ctx context.Context) (conn net.Conn, err error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.network == nil {
			return nil, errNotReady
		}
		err = within(s.network, func() error {
			conn, err = softcard.DialVPCD(fmt.Sprintf("127.0.0.1:%d", port+i))(ctx)
			return err
		})
		return conn, err
	}
}

// within runs f on a thread that is in another network namespace: sockets that
// f opens stay there. A thread that cannot come back is given up.
func within(network *os.File, f func() error) error {
	runtime.LockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("finding this thread's network: %w", err)
	}
	defer home.Close()
	if err := unix.Setns(int(network.Fd()), unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("entering pcscd's network: %w", err)
	}
	err = f()
	if back := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); back != nil {
		return errors.Join(err, fmt.Errorf("coming back from pcscd's network: %w", back)) // the thread stays locked
	}
	runtime.UnlockOSThread()
	return err
}

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("switching loopback on: %w", err)
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		return fmt.Errorf("switching loopback on: %w", err)
	}
	ifr.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr); err != nil {
		return fmt.Errorf("switching loopback on: %w", err)
	}
	return nil
}
