package httpd_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"shomei/pkg/httpd"
)

// pipes is a listener without a network, so that time can be the test's.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	c, open := <-p
	if !open {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (p pipes) Close() error   { return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p pipes) dial() net.Conn {
	here, there := net.Pipe()
	p <- there
	return here
}

// serve runs a server until the test's end.
func serve(t *testing.T, handler http.HandlerFunc) pipes {
	ctx, cancel := context.WithCancel(context.Background())
	l, done := make(pipes), make(chan error, 1)
	go func() { done <- httpd.Serve(ctx, ctx, l, handler) }()
	t.Cleanup(func() {
		cancel()
		close(l)
		if err := <-done; err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
	return l
}

// TestSlowSendersAreCutOff: a client that sends nothing, or a byte now and then, keeps no connection.
func TestSlowSendersAreCutOff(t *testing.T) {
	for name, text := range map[string]string{
		"nothing": "", "header": "GET / HTTP/1.1\r\nHost: x\r\nX: ", "body": "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n{",
		"unread body": "POST /unread HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n{",
	} {
		for _, drop := range []string{"", "x"} {
			t.Run(name+drop, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := serve(t, func(_ http.ResponseWriter, r *http.Request) {
						if r.URL.Path == "/" {
							_, _ = io.Copy(io.Discard, r.Body)
						}
					})
					c := l.dial()
					sent := make(chan struct{})
					defer func() { c.Close(); <-sent }()
					go func() {
						defer close(sent)
						_, err := io.WriteString(c, text)
						for err == nil && drop != "" {
							time.Sleep(time.Second)
							_, err = io.WriteString(c, drop)
						}
					}()
					begun := time.Now()
					_, _ = io.Copy(io.Discard, c) // until the server hangs up
					if took := time.Since(begun); took > 16*time.Second {
						t.Errorf("held the connection for %s", took)
					}
				})
			})
		}
	}
}

// TestAStreamGoesOn although no request may take that long otherwise, until its reader stops reading.
func TestAStreamGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const events = 100
		ended := make(chan int, 1)
		l := serve(t, func(w http.ResponseWriter, r *http.Request) {
			n := 0
			for ; r.Context().Err() == nil; n++ {
				httpd.Renew(w)
				if _, err := fmt.Fprintf(w, "event %d\n", n); err != nil || http.NewResponseController(w).Flush() != nil {
					break
				}
				time.Sleep(time.Minute)
			}
			ended <- n
		})
		c := l.dial()
		defer c.Close()
		go func() { _, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n") }()
		lines := bufio.NewReader(c)
		for seen := 0; seen < events; {
			line, err := lines.ReadString('\n')
			if err != nil {
				t.Fatalf("ended after %d events: %v", seen, err)
			}
			if strings.HasPrefix(line, "event ") {
				seen++
			}
		}
		if n := <-ended; n < events { // nobody reads: the server gives up
			t.Errorf("ended after %d events", n)
		}
	})
}

// TestAFailedListenerLeavesNothingBehind: a pending response ends before Serve does, whether or not ctx has ended.
func TestAFailedListenerLeavesNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, done, answered := make(pipes), make(chan error, 1), false
		go func() {
			done <- httpd.Serve(t.Context(), t.Context(), l, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				time.Sleep(time.Second)
				answered = true
			}))
		}()
		c := l.dial()
		defer c.Close()
		go func() { _, _ = io.Copy(io.Discard, c) }()
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		synctest.Wait() // the answer is under way
		close(l)
		if err := <-done; !errors.Is(err, net.ErrClosed) || !answered {
			t.Errorf("ended with %v, answered %v", err, answered)
		}
	})
}

// TestWhatWasReadIsForgotten looks into the very buffers that net/http reads into.
func TestWhatWasReadIsForgotten(t *testing.T) {
	const secret = "ZQ8XK4VW2J9T"
	for name, body := range map[string]string{"short": secret, "long": strings.Repeat("x", 6000) + secret, "too long": strings.Repeat(secret, 2000)} {
		t.Run(name, func(t *testing.T) {
			l := make(pipes)
			spy := &spyListener{pipes: l}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() {
				done <- httpd.Serve(ctx, ctx, spy, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					got, err := httpd.ReadSecret(r, 10000)
					if err == nil && string(got) != body {
						t.Errorf("read %q", got)
					}
					clear(got)
					if err != nil {
						w.WriteHeader(http.StatusBadRequest)
					}
				}))
			}()
			c := l.dial()
			go func() {
				_, _ = fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
			}()
			answer, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			if failed := answer.StatusCode == http.StatusBadRequest; failed != (name == "too long") {
				t.Errorf("answered %s", answer.Status)
			}
			for _, buffer := range spy.conn.buffers {
				if bytes.Contains(buffer, []byte(secret)) {
					t.Errorf("left in a buffer of %d bytes", len(buffer))
				}
			}
			if len(spy.conn.buffers) == 0 {
				t.Error("nothing was read")
			}
			c.Close()
			cancel()
			close(l)
			<-done
		})
	}
}

// TestARefusedBodyIsAnswered: a client that sends far too much reads why, not that the connection was reset.
func TestARefusedBodyIsAnswered(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- httpd.Serve(ctx, ctx, l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := httpd.ReadSecret(r, 1000); err != nil {
				w.WriteHeader(http.StatusRequestEntityTooLarge)
			}
		}))
	}()
	defer func() { cancel(); <-done }()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n%s", bytes.Repeat([]byte("x"), 2_000_000))
	answer, err := io.ReadAll(c)
	if !strings.HasPrefix(string(answer), "HTTP/1.1 413") || err != nil {
		t.Errorf("answered %.40q, %v", answer, err)
	}
}

// spyListener hands out one connection that keeps hold of every buffer it was read into.
type spyListener struct {
	pipes
	conn *spy
}

func (l *spyListener) Accept() (net.Conn, error) {
	c, err := l.pipes.Accept()
	if err != nil {
		return nil, err
	}
	l.conn = &spy{Conn: c}
	return l.conn, nil
}

type spy struct {
	net.Conn
	buffers [][]byte
}

func (s *spy) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	if n > 1 {
		s.buffers = append(s.buffers, p[:n])
	}
	return n, err
}
