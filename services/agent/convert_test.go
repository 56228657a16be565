package agent_test

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nkeys"
	bolt "go.etcd.io/bbolt"

	"shomei/pkg/counterlink"
	"shomei/services/agent"
)

// twoChains describes testdata/two-chains.db.gz, the store of a counter that kept claims and journal in two chains: its keys
// and the state that this counter read from it.
type twoChains struct {
	Seed, Seal string
	At         time.Time
	Claims     uint64
	Head       string
	Knows      string
}

func (f twoChains) config(t *testing.T, path string) agent.Config {
	key, err := nkeys.FromSeed([]byte(f.Seed))
	must(t, err)
	secret, err := hex.DecodeString(f.Seal)
	must(t, err)
	seal, err := counterlink.ParseSealKey(secret)
	must(t, err)
	return agent.Config{
		Counter: desk, Office: "12237-main", Key: key, SealKey: seal, HubSealKey: seal.PublicKey(), StorePath: path, Logger: noLog,
		Now: func() time.Time { return f.At }, ClockEvidence: func() string { return agent.Simulated },
	}
}

// openTwoChains returns a copy of that store.
func openTwoChains(t *testing.T) (f twoChains, path string) {
	text, err := os.ReadFile(filepath.Join("testdata", "two-chains.json"))
	must(t, err)
	must(t, json.Unmarshal(text, &f))
	packed, err := os.Open(filepath.Join("testdata", "two-chains.db.gz"))
	must(t, err)
	defer packed.Close()
	from, err := gzip.NewReader(packed)
	must(t, err)
	store, err := io.ReadAll(from)
	must(t, err)
	path = storePath(t)
	must(t, os.WriteFile(path, store, 0o600))
	return f, path
}

// knows returns the state of a counter's procedures, a line each.
func knows(t *testing.T, c *agent.Counter) string {
	var lines []string
	for _, s := range c.Procedures() {
		certificates, _ := c.Certificates(s.Procedure)
		name, err := c.Applicant(s.Procedure)
		must(t, err)
		lines = append(lines, fmt.Sprint(
			s.Procedure, " ", s.Stage, " at hub ", s.AtHub, " of ", s.Subscriber, " ", name, " by ", s.Officer, " filed ", s.Filed.UnixMilli(), " ", s.Message.Key, " ", s.Percent,
			" card ", s.Card, " fee ", s.FeeYen, " commanded ", s.Commanded, " refusals ", s.Refusals, " inquired ", s.Inquired,
			" report ", s.Report.GetId(), " answer ", s.Answer.GetClaim(), " failure ", s.Failure.GetReason(),
			" made ", c.Made(s.Procedure), " certificates ", len(certificates)))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// A store with two chains is merged into one. The counter's state stays the same, and the hub finds the claims it knows.
func TestTwoChainsAreMerged(t *testing.T) {
	f, path := openTwoChains(t)
	cfg := f.config(t, path)
	for range 2 {
		counter, err := agent.Open(cfg)
		must(t, err)
		if got := knows(t, counter); got != f.Knows {
			t.Errorf("the counter knows\n%s\nwant\n%s", got, f.Knows)
		}
		must(t, counter.Close())
		makeOldBuckets(t, path)
	}
	s, err := agent.OpenStore(path, desk, cfg.Key)
	must(t, err)
	defer s.Close()
	if last := s.Last(); last.Number != f.Claims || hex.EncodeToString(last.Hash) != f.Head {
		t.Errorf("claims end at %d, want %d", last.Number, f.Claims)
	}
	var head counterlink.Head
	for n := uint64(1); n <= f.Claims; n++ {
		signed, hash, err := s.Claim(n)
		must(t, err)
		claim, _, err := counterlink.ParseClaim(signed)
		must(t, err)
		if verdict, err := head.Judge(claim, hash); err != nil || verdict != counterlink.Next {
			t.Fatalf("claim %d: %v", n, err)
		}
		head = head.Advance(claim, hash)
	}
}

// makeOldBuckets adds the empty buckets that an old agent creates before it refuses a store.
func makeOldBuckets(t *testing.T, path string) {
	db, err := bolt.Open(path, 0o600, nil)
	must(t, err)
	must(t, db.Update(func(tx *bolt.Tx) error {
		for _, name := range []string{"claims", "journal", "archive", "carried.claims", "carried"} {
			if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
				return err
			}
		}
		return nil
	}))
	must(t, db.Close())
}

// Two chains that were tampered with are refused, and the file is left unchanged.
func TestTamperedChainsAreNotConverted(t *testing.T) {
	for _, bucket := range []string{"claims", "journal", "carried.claims", "carried"} {
		f, path := openTwoChains(t)
		restore := spoil(t, path, bucket)
		before, err := os.ReadFile(path)
		must(t, err)
		if _, err := agent.Open(f.config(t, path)); !errors.Is(err, agent.ErrTampered) {
			t.Errorf("%s: %v", bucket, err)
		}
		after, err := os.ReadFile(path)
		must(t, err)
		if !bytes.Equal(before, after) {
			t.Errorf("%s: the file was changed", bucket)
		}
		restore()
		counter, err := agent.Open(f.config(t, path))
		must(t, err)
		must(t, counter.Close())
	}
	for what, cut := range map[string]func(*bolt.Tx) error{
		"the last entry": func(tx *bolt.Tx) error {
			k, _ := tx.Bucket([]byte("journal")).Cursor().Last()
			return tx.Bucket([]byte("journal")).Delete(k)
		},
		"the digest of what is carried on": func(tx *bolt.Tx) error { return tx.Bucket([]byte("meta")).Delete([]byte("carried.digest")) },
		"all that is carried on":           func(tx *bolt.Tx) error { return tx.DeleteBucket([]byte("carried")) },
	} {
		f, path := openTwoChains(t)
		db, err := bolt.Open(path, 0o600, nil)
		must(t, err)
		must(t, db.Update(cut))
		must(t, db.Close())
		if _, err := agent.Open(f.config(t, path)); !errors.Is(err, agent.ErrTampered) {
			t.Errorf("%s is missing: %v", what, err)
		}
	}
}
