package httpd

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
)

// forgetful is a listener whose connections know the buffer that net/http reads them into.
type forgetful struct{ net.Listener }

// Accept returns the next connection.
func (l forgetful) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c}, nil
}

// conn remembers the buffer of its first read. It is net/http's own, for the whole life of the connection, and holds
// the raw requests; net/http returns it to a pool without clearing it.
type conn struct {
	net.Conn
	mu     sync.Mutex
	buffer []byte
}

// Read implements net.Conn.
func (c *conn) Read(p []byte) (int, error) {
	c.mu.Lock()
	if c.buffer == nil {
		c.buffer = p[:cap(p)]
	}
	c.mu.Unlock()
	return c.Conn.Read(p)
}

// CloseWrite announces that nothing more is sent. net/http does so when it has refused a body, before it closes:
// otherwise the other end is reset, and loses the response.
func (c *conn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return nil
}

type connKey struct{}

func rememberConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// Forget overwrites what net/http holds of a request whose body has been read. Call it in the handler. It also
// overwrites a request sent before the response to this one.
func Forget(r *http.Request) {
	c, ok := r.Context().Value(connKey{}).(*conn)
	if !ok {
		return // a test without a connection
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.buffer)
}

// errTooLong: a body exceeds the handler's limit.
var errTooLong = errors.New("the body is too long")

// ReadSecret reads a body of at most limit bytes into one buffer, of which no copy is left anywhere once the caller has
// cleared it: it forgets the request. A longer body, or a truncated one, is an error; the buffer is then cleared.
func ReadSecret(r *http.Request, limit int) ([]byte, error) {
	defer Forget(r)
	size := int64(limit)
	if r.ContentLength >= 0 {
		size = min(size, r.ContentLength)
	}
	body := make([]byte, size+1) // one more, to see the end
	n, err := fill(r.Body, body)
	if err == io.EOF {
		return body[:n], nil
	}
	for total := n; err == nil && total < drained; total += n {
		n, err = fill(r.Body, body) // or net/http reads the rest into buffers that nobody clears
	}
	clear(body)
	if err == nil || err == io.EOF {
		err = errTooLong
	}
	return nil, err
}

// drained is how much of a body net/http reads if its handler did not.
const drained = 256 << 10

// fill reads until the buffer is full, or to the end, which is io.EOF.
func fill(from io.Reader, buffer []byte) (n int, err error) {
	for n < len(buffer) && err == nil {
		var k int
		k, err = from.Read(buffer[n:])
		n += k
	}
	return n, err
}
