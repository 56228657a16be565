package hubserver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"golang.org/x/time/rate"
)

// supervise watches the server's health, and restarts it when a stream is frozen by a write error and the disk has
// space again: the server itself never retries.
func (s *Server) supervise() {
	ticker := time.NewTicker(s.config.CheckEvery)
	defer ticker.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-ticker.C:
		}
		if s.life.TryLock() { // otherwise someone is already restarting it
			s.look()
			s.life.Unlock()
		}
	}
}

func (s *Server) look() {
	s.mu.Lock()
	running, before := s.running, s.health
	s.mu.Unlock()
	if running == nil {
		s.revive("a start that failed")
		return
	}
	health, frozen := judge(running)
	s.mu.Lock()
	s.health = health
	s.mu.Unlock()
	if !frozen {
		return
	}
	if before == nil {
		s.config.Logger.Error("a stream is frozen by a write error; the server is restarted as soon as the disk has space", "error", health)
	}
	if s.hasSpace() {
		s.revive(health.Error())
	}
}

func (s *Server) revive(reason string) {
	s.config.Logger.Warn("restarting the NATS server", "reason", reason)
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	if err := s.restart(ctx); err != nil {
		s.config.Logger.Error("the NATS server did not restart, retrying", "error", err)
	}
}

// judge returns what the server says is wrong, and whether only a restart cures it. A stream that catches up or has no
// leader yet is unhealthy too, but recovers. The server gives write errors no code, only this text.
func judge(running *server.Server) (health error, frozen bool) {
	status := running.Healthz(&server.HealthzOptions{Details: true})
	if status == nil {
		return nil, false
	}
	var errs []error
	for _, e := range status.Errors {
		errs = append(errs, fmt.Errorf("%s: %w", e.Error, ErrUnhealthy))
		frozen = frozen || strings.Contains(e.Error, "write error")
	}
	return errors.Join(errs...), frozen
}

// hasSpace tries to write to the disk: free bytes may belong to root alone, or quotas may apply.
func (s *Server) hasSpace() bool {
	const probe = 1 << 20
	file, err := os.CreateTemp(s.config.StoreDir, "space-*")
	if err != nil {
		return false
	}
	defer os.Remove(file.Name())
	defer file.Close()
	if _, err := file.Write(make([]byte, probe)); err != nil {
		return false
	}
	return file.Sync() == nil
}

func usedBytes(dir string) (int64, error) {
	var used int64
	err := filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			used += info.Size()
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("measuring the store of the NATS server: %w", err)
	}
	return used, nil
}

// serverLog passes the server's messages on; notices only at debug level.
type serverLog struct {
	logger *slog.Logger
	// strangers limits the lines about single connections: anybody who can connect can cause them.
	strangers *rate.Limiter
}

func newServerLog(logger *slog.Logger) serverLog {
	return serverLog{logger: logger, strangers: rate.NewLimiter(rate.Every(10*time.Second), 20)}
}

// about reports whether to pass on a message: always if it is about the server, sometimes if about a connection.
func (l serverLog) about(format string) bool {
	return !strings.Contains(format, " - cid:") || l.strangers.Allow()
}

func (l serverLog) Noticef(format string, v ...any) { l.logger.Debug(fmt.Sprintf(format, v...)) }
func (l serverLog) Warnf(format string, v ...any) {
	if l.about(format) {
		l.logger.Warn(fmt.Sprintf(format, v...))
	}
}
func (l serverLog) Fatalf(format string, v ...any) { l.logger.Error(fmt.Sprintf(format, v...)) }
func (l serverLog) Errorf(format string, v ...any) {
	if l.about(format) {
		l.logger.Error(fmt.Sprintf(format, v...))
	}
}
func (l serverLog) Debugf(format string, v ...any) { l.logger.Debug(fmt.Sprintf(format, v...)) }
func (l serverLog) Tracef(format string, v ...any) { l.logger.Debug(fmt.Sprintf(format, v...)) }
