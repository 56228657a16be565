package natstest

import (
	"bytes"
	"net"
	"sync"
	"testing"
)

// Line is a TCP line to a server that fails in both ways: a request never arrives, or it is carried out and its answer
// is lost. The line is cut with what it loses; the next connection gets through.
type Line struct {
	listener net.Listener
	target   string

	mu       sync.Mutex
	conns    []net.Conn
	up, down []byte // what to lose next on the way to the server, and from it; nil: nothing
	lost     int
	broken   bool
	held     []byte        // what is held back on the way to the server
	release  chan struct{} // closed by Release
}

// NewLine makes a line to host:port until the test ends.
func NewLine(t testing.TB, target string) *Line {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &Line{listener: listener, target: target}
	t.Cleanup(func() {
		listener.Close()
		l.Cut()
		if l.held != nil {
			l.Release()
		}
	})
	go l.accept()
	return l
}

// Addr returns where the line begins, host:port.
func (l *Line) Addr() string { return l.listener.Addr().String() }

// LoseRequest loses the next piece with this text on its way to the server: it failed, and was not done.
func (l *Line) LoseRequest(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.up = []byte(text)
}

// LoseAnswer loses the next piece with this text on its way from the server: it failed, but was done.
func (l *Line) LoseAnswer(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = []byte(text)
}

// Hold holds back what has this text on its way to the server, and everything after it, until Release.
func (l *Line) Hold(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held, l.release = []byte(text), make(chan struct{})
}

// Release lets everything held back pass, and holds back no more.
func (l *Line) Release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = nil
	close(l.release)
}

// Lost returns how often something was lost by order.
func (l *Line) Lost() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

// Cut closes every connection, whatever is on the way.
func (l *Line) Cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.conns {
		c.Close()
	}
	l.conns = nil
}

// Break cuts the line and lets nobody through until Mend.
func (l *Line) Break() {
	l.mu.Lock()
	l.broken = true
	l.mu.Unlock()
	l.Cut()
}

// Mend lets callers through again.
func (l *Line) Mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken = false
}

func (l *Line) accept() {
	for {
		in, err := l.listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", l.target)
		if err != nil {
			in.Close()
			continue
		}
		l.mu.Lock()
		if l.broken {
			l.mu.Unlock()
			in.Close()
			out.Close()
			continue
		}
		l.conns = append(l.conns, in, out)
		l.mu.Unlock()
		go l.pass(held{out, l}, in, &l.up)
		go l.pass(in, out, &l.down)
	}
}

// held is the way to the server.
type held struct {
	net.Conn
	line *Line
}

func (h held) Write(piece []byte) (int, error) {
	h.line.mu.Lock()
	holds, release := h.line.held != nil && bytes.Contains(piece, h.line.held), h.line.release
	h.line.mu.Unlock()
	if holds {
		<-release
	}
	return h.Conn.Write(piece)
}

// pass copies one direction; both ends are closed with it.
func (l *Line) pass(to, from net.Conn, lose *[]byte) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if l.loses(buffer[:n], lose) {
			return
		}
		if _, werr := to.Write(buffer[:n]); err != nil || werr != nil {
			return
		}
	}
}

func (l *Line) loses(piece []byte, lose *[]byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if *lose == nil || !bytes.Contains(piece, *lose) {
		return false
	}
	*lose = nil
	l.lost++
	return true
}
