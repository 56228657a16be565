// Package httpd serves HTTP to browsers and programs: every request is bounded in time and size, and what a request
// held can be forgotten.
package httpd

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"
)

// Bounds of every request and connection.
const (
	headerWithin = 5 * time.Second
	readWithin   = 15 * time.Second // header and body
	idleFor      = time.Minute
	maxHeader    = 32 << 10
	// writeWithin is long, because some responses take their time. A stream of events renews it (Renew).
	writeWithin = 5 * time.Minute
	// stopWithin is how long pending responses may take once the server stops.
	stopWithin = 2 * time.Second
)

// Serve serves on l until ctx ends. The contexts of requests derive from requests: live pages end with it. When Serve
// returns, no response is pending. It returns nil after an orderly stop.
func Serve(ctx, requests context.Context, l net.Listener, handler http.Handler) error {
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: headerWithin, ReadTimeout: readWithin, WriteTimeout: writeWithin, IdleTimeout: idleFor,
		MaxHeaderBytes: maxHeader,
		BaseContext:    func(net.Listener) context.Context { return requests },
		ConnContext:    rememberConn,
	}
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	context.AfterFunc(ctx, func() {
		defer close(ended)
		last, cancel := context.WithTimeout(context.Background(), stopWithin)
		defer cancel()
		if server.Shutdown(last) != nil {
			_ = server.Close() // cuts off whoever still reads
		}
	})
	err := server.Serve(forgetful{l})
	stop()
	<-ended // Serve returns when Shutdown begins, or when l fails
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// streamPause is how long a reader of a stream of events may take for one of them.
const streamPause = 30 * time.Second

// Renew is called before each event of a stream: the stream lasts as long as its reader accepts what is sent.
func Renew(w http.ResponseWriter) {
	// A recorder in a test knows no deadlines.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(streamPause))
}
