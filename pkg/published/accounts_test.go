package published_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"shomei/pkg/natstest"
	"shomei/pkg/published"
)

// account is one of a server whose configuration is written here, with what it imports of the log's by an API prefix.
func account(name string, may []string) string {
	var imports, publish []string
	for _, subject := range may {
		local := strings.Replace(subject, "$JS.API.", "hub.", 1)
		imports = append(imports, fmt.Sprintf("{service: {account: LOG, subject: %q}, to: %q}", subject, local))
		publish = append(publish, fmt.Sprintf("%q", local))
	}
	return fmt.Sprintf("%s { users: [{user: %[1]s, password: x, permissions: {publish: [%[2]s], subscribe: [\"_INBOX.>\"]}}], imports: [%[3]s] }\n",
		name, strings.Join(publish, ", "), strings.Join(imports, ", "))
}

// across is a server whose writer and reader have accounts of their own, and the connections of the three.
func across(t *testing.T) (log, writer, reader *nats.Conn) {
	t.Helper()
	dir := t.TempDir()
	var exports []string
	for _, subject := range published.WriterMayPublish() {
		exports = append(exports, fmt.Sprintf("{service: %q}", subject))
	}
	text := fmt.Sprintf("listen: \"127.0.0.1:-1\"\njetstream: {store_dir: %q}\naccounts: {\n%s%s%s}\n", filepath.Join(dir, "store"),
		fmt.Sprintf("LOG { jetstream: enabled, users: [{user: LOG, password: x}], exports: [%s] }\n", strings.Join(exports, ", ")),
		account("WRITER", published.WriterMayPublish()), account("READER", published.ReaderMayPublish()))
	path := filepath.Join(dir, "nats.conf")
	check(t, os.WriteFile(path, []byte(text), 0o600))
	options, err := server.ProcessConfigFile(path)
	check(t, err)
	options.NoSigs, options.NoLog = true, true
	s, err := server.NewServer(options)
	check(t, err)
	go s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(20 * time.Second) {
		t.Fatal("the server does not start")
	}
	as := func(user string) *nats.Conn { return natstest.Connect(t, s.ClientURL(), nats.UserInfo(user, "x")) }
	return as("LOG"), as("WRITER"), as("READER")
}

// The bucket belongs to the log's account. Writer and reader reach it from accounts of their own, by what this package
// lists and no more, and a reader's question puts nothing on the subjects of anybody else.
func TestBucketOfAnotherAccount(t *testing.T) {
	log, writing, reading := across(t)
	check(t, published.EnsureBucket(t.Context(), log, 0))
	at := func(conn *nats.Conn) *published.Bucket {
		b, err := published.Open(conn, "hub")
		check(t, err)
		return b
	}
	writer, reader := at(writing), at(reading)
	large := []byte(strings.Repeat("0123456789", 200_000))
	for _, file := range [][]byte{[]byte("list"), large, []byte("next")} {
		check(t, writer.Put(t.Context(), "sign-03.crl", file))
		f, err := reader.Get(t.Context(), "sign-03.crl", "")
		if err != nil || !slices.Equal(f.Bytes, file) {
			t.Errorf("%d bytes came as %d, %v", len(file), len(f.Bytes), err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if at(reading).Put(ctx, "sign-03.crl", []byte("mine")) == nil {
		t.Error("the reader has written")
	}
	heard, err := log.SubscribeSync("shomei.>")
	check(t, err)
	check(t, log.Flush())
	check(t, reading.PublishRequest("hub.DIRECT.GET.OBJ_revocation", "shomei.log.planted", []byte(`{"seq":1}`)))
	check(t, reading.Flush())
	if _, err := reader.Get(t.Context(), "sign-03.crl", ""); err != nil {
		t.Error(err)
	}
	check(t, log.Flush())
	if n, _, _ := heard.Pending(); n != 0 {
		t.Errorf("%d messages came by the reader's reply subject", n)
	}
}
