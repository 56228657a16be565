package control

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"shomei/cmd/shomei/hub"
)

// bare returns a hub of which nothing runs: enough to take orders and refuse them.
func bare(t *testing.T, data string) *hub.Hub {
	t.Helper()
	h := &hub.Hub{Parts: &hub.Parts{Config: hub.Config{Data: data, Logger: slog.New(slog.DiscardHandler)}}}
	if err := Serve(h); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(filepath.Join(data, socketName)); err == nil {
			t.Error("the socket is left behind")
		}
	})
	return h
}

func TestOrdersReachTheHubInAFolderOfAnyLength(t *testing.T) {
	long := filepath.Join(t.TempDir(), strings.Repeat("long/", 40))
	if err := os.MkdirAll(long, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, data := range []string{t.TempDir(), long} {
		// What a killed hub leaves does not get in the way.
		if err := os.WriteFile(filepath.Join(data, socketName), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := Open(data, "0042").Retire(t.Context(), "c"); !errors.Is(err, ErrNotRunning) {
			t.Errorf("before: %v", err)
		}
		bare(t, data)
		info, err := os.Stat(filepath.Join(data, socketName))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the socket: %v, %v", info, err)
		}
		c := Open(data, "山田 太郎")
		defer c.Close()
		if err := c.Retire(t.Context(), "c"); !errors.Is(err, hub.ErrRefused) || !strings.Contains(err.Error(), "not a number") {
			t.Errorf("an officer with a name: %v", err)
		}
	}
}

func TestWhatIsNoOrderIsToldSo(t *testing.T) {
	data := t.TempDir()
	bare(t, data)
	client := http.Client{Transport: &http.Transport{DialContext: Open(data, "").http.Transport.(*http.Transport).DialContext}}
	defer client.CloseIdleConnections()
	for body, want := range map[string]int{
		`{"officer":"1","what":{"role":"counter"}`: http.StatusBadRequest, `{"officer":"1","who":{}}`: http.StatusBadRequest,
		`{"officer":"","what":{}}`: http.StatusConflict,
	} {
		response, err := client.Post("http://hub/counters", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if response.StatusCode != want || !strings.Contains(string(text), `"error":"`) {
			t.Errorf("%s: %s %s", body, response.Status, text)
		}
	}
}

// Anybody but the owner is disconnected, whatever the modes say.
func TestOthersAreHungUpOn(t *testing.T) {
	path := filepath.Join(t.TempDir(), socketName)
	inner, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	closed := false
	l := ownersOnly{inner, func() error { closed = true; return nil }, func(net.Conn) (int, error) { return os.Geteuid() + 1, nil }}
	accepted := make(chan error, 1)
	go func() { _, err := l.Accept(); accepted <- err }()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("another user reads: %v", err)
	}
	if err := l.Close(); err != nil || !closed {
		t.Errorf("closed %v: %v", closed, err)
	}
	if err := <-accepted; err == nil {
		t.Error("another user was accepted")
	}
}
