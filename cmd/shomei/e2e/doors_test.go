package e2e

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// doorWithin is how long whoever says too little may hold a connection.
const doorWithin = time.Minute

// TestNoListenerWaitsForEver tries everything that the processes of `shomei up` listen on: whoever says nothing, or half of
// something, is hung up on, and what is too large or asked for under another host's name is refused. The list is the
// kernel's, so a new listener is tried, too.
func TestNoListenerWaitsForEver(t *testing.T) {
	t.Parallel()
	u := newTrial(t)
	u.start()
	u.runs()
	kinds := map[string]int{}
	for _, d := range u.doors() {
		kind := d.kind(t)
		kinds[kind]++
		tries := map[string]func() map[string]func(net.Conn) error{"http": httpTries, "lists": listTries, "nats": natsTries, "smtp": smtpTries}[kind]
		if tries == nil {
			t.Errorf("%v speaks nothing that this test knows", d)
			continue
		}
		for name, try := range tries() {
			t.Run(fmt.Sprintf("%s/%s/%s", kind, d.process, name), func(t *testing.T) {
				t.Parallel()
				if kind == "http" && d.network == "unix" && strings.HasPrefix(name, "host") {
					return // no browser reaches it
				}
				conn := d.dial(t)
				_ = conn.SetDeadline(time.Now().Add(doorWithin))
				if err := try(conn); err != nil {
					t.Errorf("%v: %v", d, err)
				}
			})
		}
	}
	http := 3
	if l, err := net.Listen("tcp", "[::1]:0"); err == nil {
		l.Close()
		http++ // the counter's pages take localhost by both families
	}
	if kinds["http"] != http || kinds["lists"] != 1 || kinds["nats"] != 1 || kinds["smtp"] != 1 {
		t.Errorf("found %v: console, counter's pages and engine speak HTTP, and revocation lists are served under any name", kinds)
	}
}

// door is an address that a process listens on.
type door struct{ process, network, address string }

func (d door) dial(t *testing.T) net.Conn {
	conn, err := net.DialTimeout(d.network, d.address, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// kind finds out what is spoken at a door.
func (d door) kind(t *testing.T) string {
	conn := d.dial(t)
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	lines := bufio.NewReader(conn)
	greeting, _ := lines.ReadString(' ')
	status, _ := lines.Peek(3)
	switch {
	case d.network == "tcp" && strings.HasPrefix(greeting, "HTTP/") && string(status) == "404":
		return "lists" // the others have something at /
	case strings.HasPrefix(greeting, "HTTP/"):
		return "http"
	case strings.HasPrefix(greeting, "220"):
		return "smtp"
	}
	secured := tls.Client(d.dial(t), &tls.Config{InsecureSkipVerify: true}) // what is spoken matters, not with whom
	if secured.SetDeadline(time.Now().Add(10 * time.Second)); secured.Handshake() != nil {
		return greeting
	}
	greeting, _ = bufio.NewReader(secured).ReadString(' ')
	return map[string]string{"INFO ": "nats"}[greeting]
}

// doors are what our processes listen on; pcscd has a socket and a virtual reader of its own.
func (u *trial) doors() (all []door) {
	seen := map[string]bool{} // the engine's listener is handed on to it
	for pid, name := range u.processes() {
		if !strings.HasPrefix(name, "shomei") {
			continue
		}
		arguments, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		name = strings.Join(strings.Split(string(arguments), "\x00")[:2], " ")
		owned := socketsOf(pid)
		for _, d := range append(listening("tcp"), listening("unix")...) {
			if owned[d.process] && !seen[d.process] {
				seen[d.process] = true
				all = append(all, door{filepath.Base(name), d.network, d.address})
			}
		}
	}
	return all
}

var socketLink = regexp.MustCompile(`^socket:\[(\d+)\]$`)

func socketsOf(pid int) map[string]bool {
	inodes := map[string]bool{}
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	for _, file := range files {
		target, _ := os.Readlink(file)
		if m := socketLink.FindStringSubmatch(target); m != nil {
			inodes[m[1]] = true
		}
	}
	return inodes
}

// listening reads the kernel's list of listeners; the inode stands in the place of the process.
func listening(network string) (all []door) {
	for _, file := range map[string][]string{"tcp": {"tcp", "tcp6"}, "unix": {"unix"}}[network] {
		table, _ := os.ReadFile("/proc/self/net/" + file)
		for line := range strings.Lines(string(table)) {
			f := strings.Fields(line)
			switch {
			case network == "tcp" && len(f) > 9 && f[3] == "0A":
				_, port, _ := strings.Cut(f[1], ":")
				n, _ := strconv.ParseUint(port, 16, 16)
				all = append(all, door{f[9], network, fmt.Sprintf("localhost:%d", n)})
			case network == "unix" && len(f) > 7 && f[3] == "00010000":
				all = append(all, door{f[6], network, f[7]})
			}
		}
	}
	return all
}

// saying sends a text and then, when slowly is not empty, that again and again; the other end must hang up.
func saying(text, slowly string) func(net.Conn) error {
	return func(conn net.Conn) error {
		var sending sync.WaitGroup
		defer sending.Wait()
		defer conn.Close()
		sending.Go(func() {
			_, err := io.WriteString(conn, text)
			for tick := time.NewTicker(time.Second); err == nil && slowly != ""; <-tick.C {
				_, err = io.WriteString(conn, slowly)
			}
		})
		_, err := io.Copy(io.Discard, conn)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("it waits for more after %v", doorWithin)
		}
		return nil
	}
}

// answering sends a text, or as much of it as is taken, and wants an answer that begins with one of those given, or none.
func answering(text string, want ...string) func(net.Conn) error {
	return func(conn net.Conn) error {
		var sending sync.WaitGroup
		defer sending.Wait()
		defer conn.Close()
		sending.Go(func() { _, _ = io.WriteString(conn, text) })
		answer, err := bufio.NewReader(conn).ReadString('\n')
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("no answer within %v", doorWithin)
		}
		for _, w := range want {
			if answer == "" || strings.HasPrefix(answer, w) {
				return nil
			}
		}
		return fmt.Errorf("answered %.100q, want %q", answer, want)
	}
}

const wrongHost = "Host: attacker.example\r\n\r\n"

// httpTries and the others are functions: each centre and each engine of these tests is this binary, started once more, and
// as variables their long texts would cost each start a second of processor time and 130 MB.
func httpTries() map[string]func(net.Conn) error {
	return map[string]func(net.Conn) error{
		"nothing":       saying("", ""),
		"half a header": saying("GET / HTTP/1.1\r\nHost: localhost\r\nX: ", ""),
		"slow header":   saying("GET / HTTP/1.1\r\nHost: localhost\r\nX: ", "x"),
		"half a body":   saying("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n{", ""),
		"slow body":     saying("POST /api/reports HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n{", " "),
		"slow chunks":   saying("POST /api/reports HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\n \r\n"),
		"large header":  answering("GET / HTTP/1.1\r\nHost: localhost\r\nX: "+strings.Repeat("x", 4<<20), "HTTP/1.1 4"),
		"large body":    answering("POST /api/reports HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 67108864\r\n\r\n"+strings.Repeat(" ", 64<<20), "HTTP/1.1 4"),
		"host /":        answering("GET / HTTP/1.1\r\n"+wrongHost, "HTTP/1.1 421"),
		"host healthz":  answering("GET /healthz HTTP/1.1\r\n"+wrongHost, "HTTP/1.1 421"),
		"host livez":    answering("GET /livez HTTP/1.1\r\n"+wrongHost, "HTTP/1.1 421"),
		"host metrics":  answering("GET /metrics HTTP/1.1\r\n"+wrongHost, "HTTP/1.1 421"),
		"host ping":     answering("GET /ping HTTP/1.1\r\n"+wrongHost, "HTTP/1.1 421"),
		"host post":     answering("POST /api/reports HTTP/1.1\r\nContent-Length: 0\r\n"+wrongHost, "HTTP/1.1 421"),
		"host missing":  answering("GET /healthz HTTP/1.0\r\n\r\n", "HTTP/1.0 421", "HTTP/1.1 421"),
	}
}

// listTries are those of a service that everybody may ask, under any name: nothing is there, and nothing is taken.
func listTries() map[string]func(net.Conn) error {
	tries := httpTries()
	maps.DeleteFunc(tries, func(name string, _ func(net.Conn) error) bool { return strings.HasPrefix(name, "host") })
	tries["nothing here"] = answering("GET /healthz HTTP/1.1\r\n"+wrongHost, "HTTP/1.1 404")
	tries["nothing taken"] = answering("POST /sign-01.crl HTTP/1.1\r\nContent-Length: 0\r\n"+wrongHost, "HTTP/1.1 405")
	return tries
}

// secured gives a try the connection after the handshake.
func secured(try func(net.Conn) error) func(net.Conn) error {
	return func(conn net.Conn) error {
		c := tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
		if err := c.Handshake(); err != nil {
			return err
		}
		return try(c)
	}
}

func natsTries() map[string]func(net.Conn) error {
	return map[string]func(net.Conn) error{
		"nothing":               saying("", ""),
		"half a handshake":      saying("\x16\x03\x01\x02\x00", ""),
		"slow handshake":        saying("\x16\x03\x01\x02\x00", "\x01"),
		"plain":                 saying("CONNECT {}\r\nPING\r\n", "PING\r\n"),
		"nothing after":         secured(saying("", "")),
		"half a line":           secured(saying("CONNECT {", "")),
		"slow line":             secured(saying("CONNECT {", " ")),
		"large line":            secured(saying("CONNECT {"+strings.Repeat(" ", 4<<20), "")),
		"nobody":                secured(saying("CONNECT {\"verbose\":false}\r\nPING\r\n", "PING\r\n")),
		"message before a name": secured(saying("PUB x 5000\r\nx", "x")),
	}
}

// mailed says the beginning of a mail in good order.
func mailed(then func(net.Conn) error) func(net.Conn) error {
	return func(conn net.Conn) error {
		lines := bufio.NewReader(conn)
		for _, say := range []string{"", "EHLO x", "MAIL FROM:<a@example.jp>", "RCPT TO:<b@example.jp>", "DATA"} {
			if say != "" {
				fmt.Fprintf(conn, "%s\r\n", say)
			}
			for more := true; more; {
				line, err := lines.ReadString('\n')
				if err != nil {
					return err
				}
				more = len(line) > 3 && line[3] == '-'
			}
		}
		return then(conn)
	}
}

func smtpTries() map[string]func(net.Conn) error {
	return map[string]func(net.Conn) error{
		"nothing":     saying("", ""),
		"half a line": saying("EHLO", ""),
		"slow line":   saying("EHLO ", "x"),
		"large line":  saying("EHLO "+strings.Repeat("x", 4<<20), ""),
		"half a mail": mailed(saying("Subject: x\r\n", "")),
		"slow mail":   mailed(saying("Subject: x\r\n", "x")),
		"large mail":  mailed(answering(string(bytes.Repeat([]byte("0123456789abcdef\r\n"), 4<<20/18))+".\r\n", "552")),
	}
}
