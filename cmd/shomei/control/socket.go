// Package control carries an operator's commands to the hub that runs on a data folder: HTTP with JSON over a Unix
// socket in it. Only the user that runs the hub can open the socket, so there is no other sign-in; nothing leaves the
// machine. Package hub carries the orders out; they end in commits of the log under the officer's number.
package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"shomei/cmd/shomei/hub"
)

// ErrNotRunning: no hub takes orders on a data folder.
var ErrNotRunning = errors.New("no hub runs on this data folder")

// socketName is in the data folder.
const socketName = "control.sock"

// maxPath is how long the path of a Unix socket can be (sockaddr_un of unix(7), with the zero behind it).
const maxPath = 107

// Serve takes orders for a hub until it is closed. One hub runs on a folder at a time, so an existing socket was left
// by a killed one.
func Serve(h *hub.Hub) error {
	path, release, err := reachable(h.Data)
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(fmt.Errorf("taking orders: %w", err), release())
	}
	l, err := net.Listen("unix", path)
	if err == nil {
		err = os.Chmod(path, 0o600)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("taking orders: %w", err), release())
	}
	h.ServeOn(ownersOnly{l, release, peer}, Handler(h.Parts))
	return nil
}

// reachable returns a path of the socket that is short enough for an address, even if the folder's own is not.
func reachable(data string) (path string, release func() error, err error) {
	path = filepath.Join(data, socketName)
	if len(path) <= maxPath {
		return path, func() error { return nil }, nil
	}
	folder, err := os.Open(data)
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", folder.Fd(), socketName), folder.Close, nil
}

// ownersOnly rejects every user except the one that runs the hub, whatever the modes of folders and socket.
type ownersOnly struct {
	net.Listener
	release func() error
	peer    func(net.Conn) (uid int, err error)
}

// Accept returns the owner's next connection.
func (o ownersOnly) Accept() (net.Conn, error) {
	for {
		conn, err := o.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if uid, err := o.peer(conn); err == nil && uid == os.Geteuid() {
			return conn, nil
		}
		_ = conn.Close()
	}
}

// Close removes the socket.
func (o ownersOnly) Close() error { return errors.Join(o.Listener.Close(), o.release()) }

// dial connects to the hub of a data folder. Errors are ErrNotRunning, and one for another user's folder.
func dial(ctx context.Context, data string) (net.Conn, error) {
	info, err := os.Stat(data)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", data, hub.ErrNoData)
	}
	if err != nil {
		return nil, err
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && int(owner.Uid) != os.Geteuid() {
		return nil, fmt.Errorf("%s belongs to user number %d: run the command as that user, for example with sudo -u '#%d'",
			data, owner.Uid, owner.Uid)
	}
	path, release, err := reachable(data)
	if err != nil {
		return nil, err
	}
	defer release()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil, fmt.Errorf("%s: %w: start it with shomei all, and give the command again", data, ErrNotRunning)
	}
	return conn, err
}
