package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.etcd.io/bbolt"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"shomei/events"
)

// finding is a secret and where it stands.
type finding struct{ place, secret string }

func (f finding) String() string { return f.place + ": " + f.secret }

// search looks through one kind of place after another.
type search struct {
	ctx     context.Context
	secrets *matcher
	found   []finding
	looked  map[string]int // how many places of each kind
}

func newSearch(ctx context.Context, secrets []string) *search {
	return &search{ctx: ctx, secrets: newMatcher(secrets), looked: make(map[string]int)}
}

func (s *search) look(kind, place string, content []byte) {
	s.looked[kind]++
	for _, secret := range s.secrets.in(content) {
		s.found = append(s.found, finding{kind + " " + place, secret})
	}
}

// files looks into every file below a folder as it stands on the disk, save those that are allowed to name people.
func (s *search) files(folder string, allowed func(path string) bool) error {
	return filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || allowed(path) {
			return err
		}
		content, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a part that was merged meanwhile
		}
		if err != nil {
			return err
		}
		kind := "file"
		if strings.HasSuffix(path, ".log") {
			kind = "log"
		}
		s.look(kind, path, content)
		return nil
	})
}

// stores looks at every key and value of the bbolt files below a folder. Nobody else has them open.
func (s *search) stores(folder string) error {
	return filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		if !isBolt(path) {
			return nil
		}
		db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: 5 * time.Second})
		if err != nil {
			return fmt.Errorf("opening %s: %w", path, err)
		}
		defer db.Close()
		return db.View(func(tx *bbolt.Tx) error {
			return tx.ForEach(func(name []byte, b *bbolt.Bucket) error { return s.bucket(path+" "+string(name), b) })
		})
	})
}

func (s *search) bucket(place string, b *bbolt.Bucket) error {
	return b.ForEach(func(k, v []byte) error {
		if v == nil {
			return s.bucket(place, b.Bucket(k))
		}
		s.look("store", place, append(append(bytes.Clone(k), ' '), v...))
		return nil
	})
}

// isBolt knows a bbolt file by the magic number of its first page.
func isBolt(path string) bool {
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	head := make([]byte, 20)
	_, err = io.ReadFull(file, head)
	return err == nil && bytes.Equal(head[16:], []byte{0xED, 0xDA, 0x0C, 0xED})
}

// tables asks the engine for every column of every table, its own included, as text: what it stores is compressed.
func (s *search) tables(dsn string) error {
	names, err := query(s.ctx, dsn, `SELECT concat(database, '.', name) FROM system.tables WHERE database NOT IN ('INFORMATION_SCHEMA', 'information_schema')
		AND (database != 'system' OR name LIKE '%log%' OR name IN ('processes', 'errors', 'settings', 'tables', 'columns', 'mutations', 'parts')) FORMAT TSVRaw`)
	if err != nil {
		return err
	}
	for _, table := range strings.Fields(string(names)) {
		rows, err := query(s.ctx, dsn, "SELECT * FROM "+table+" FORMAT TSVRaw")
		if err != nil {
			return err
		}
		s.look("table", table, rows)
	}
	return nil
}

// query asks the engine one thing.
func query(ctx context.Context, dsn, statement string) ([]byte, error) {
	at, err := url.Parse(dsn)
	if err != nil {
		return nil, err
	}
	password, _ := at.User.Password()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+at.Host+"/", strings.NewReader(statement))
	if err != nil {
		return nil, err
	}
	request.Header.Set("X-ClickHouse-User", at.User.Username())
	request.Header.Set("X-ClickHouse-Key", password)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", statement, answer.Status, text)
	}
	return text, err
}

// streams reads every message of every stream, as it stands there and decoded.
func (s *search) streams(conn *nats.Conn) error {
	js, err := jetstream.New(conn, jetstream.WithDefaultTimeout(time.Minute)) // a busy machine was seen to take longer than five seconds
	if err != nil {
		return err
	}
	names := js.StreamNames(s.ctx)
	for name := range names.Name() {
		stream, err := js.Stream(s.ctx, name)
		if err != nil {
			return err
		}
		state := stream.CachedInfo().State
		for sequence := max(state.FirstSeq, 1); sequence <= state.LastSeq; sequence++ { // an empty one has no first
			message, err := stream.GetMsg(s.ctx, sequence)
			if errors.Is(err, jetstream.ErrMsgNotFound) {
				continue
			}
			if err != nil {
				return fmt.Errorf("stream %s, message %d: %w", name, sequence, err)
			}
			s.message(name, message)
		}
	}
	return names.Err()
}

func (s *search) message(stream string, m *jetstream.RawStreamMsg) {
	place := fmt.Sprintf("%s %d (%s)", stream, m.Sequence, m.Subject)
	whole := []byte(m.Subject + "\n")
	for name, values := range m.Header {
		whole = append(whole, name+": "+strings.Join(values, ", ")+"\n"...)
	}
	s.look("stream", place, append(whole, m.Data...))
	if text, err := events.JSON(m.Data); err == nil {
		s.look("decoded", place, text)
	}
	signed, claim := &events.SignedClaim{}, &events.Claim{}
	if proto.Unmarshal(m.Data, signed) == nil && proto.Unmarshal(signed.GetClaim(), claim) == nil && claim.GetFact() != nil {
		if text, err := protojson.Marshal(claim); err == nil {
			s.look("decoded", place, text)
		}
	}
}

// pages looks at what is served to whoever asks.
func (s *search) pages(urls ...string) error {
	for _, url := range urls {
		request, err := http.NewRequestWithContext(s.ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		text, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || answer.StatusCode >= 500 && answer.StatusCode != http.StatusServiceUnavailable {
			return errors.Join(err, fmt.Errorf("%s: %s", url, answer.Status))
		}
		s.look("page", url, text)
	}
	return nil
}
