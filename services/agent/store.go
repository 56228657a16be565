package agent

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nkeys"
	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"shomei/events"
	"shomei/pkg/counterlink"
)

// What can be wrong with a store.
var (
	// ErrTampered: an entry of the store is missing or was changed. The store must not be used; take its file into
	// safe keeping and enrol the counter with a new one.
	ErrTampered = errors.New("the counter's store was changed from outside")
	// ErrStoreBusy: another process has the store open.
	ErrStoreBusy = errors.New("another agent has the counter's store open")
)

var (
	bucketMeta    = []byte("meta")
	bucketClaims  = []byte("claims")
	bucketJournal = []byte("journal")
	// What was cut off the front of the two chains: delivered claims; claims and journal of remembered procedures; ids of
	// the others' commands and answers.
	bucketArchive       = []byte("archive")
	bucketCarriedClaims = []byte("carried.claims")
	bucketCarried       = []byte("carried")
	bucketSeen          = []byte("seen")
	// The names of the persons of procedures that are not closed, sealed to this counter.
	bucketNames = []byte("names")

	keyEpoch       = []byte("epoch")
	keyCounter     = []byte("counter")
	keyClaimHead   = []byte("claims.head")
	keyJournalHead = []byte("journal.head")
	keyDelivered   = []byte("delivered")
	keyClaimBase   = []byte("claims.base")
	keyJournalBase = []byte("journal.base")
	keyCarried     = []byte("carried.digest")
	keyUncompacted = []byte("uncompacted")
	keyDiffered    = []byte("differed")
	keyClerk       = []byte("clerk")
	keyScreen      = []byte("screen")
)

const openWait = 3 * time.Second

// Store is the counter's one local file (bbolt). Every change is on the disk when its call returns. It holds no personal
// data in the clear: personal parts of claims are sealed to the hub, commands are kept sealed as they came.
type Store struct {
	db      *bolt.DB
	key     nkeys.KeyPair
	counter string
	epoch   string

	mu        sync.Mutex
	claims    link // newest claim
	delivered link
	journal   link // newest entry
	notify    func()
}

// link is one end of a hash chain.
type link struct {
	Number uint64 `json:"number"`
	Hash   []byte `json:"hash,omitempty"`
}

// OpenStore opens or makes the store of a counter and verifies both chains. key signs the claims. Errors: ErrTampered,
// ErrStoreBusy.
func OpenStore(path, counter string, key nkeys.KeyPair) (*Store, error) {
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: openWait})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, fmt.Errorf("opening %s: %w; stop that one first", path, ErrStoreBusy)
	}
	if err != nil {
		return nil, fmt.Errorf("opening the counter's store %s: %w", path, err)
	}
	s := &Store{db: db, key: key, counter: counter, notify: func() {}}
	if err = db.Update(s.prepare); err == nil {
		err = db.View(s.verify)
	}
	if err != nil {
		db.Close()
		return nil, fmt.Errorf("counter's store %s: %w", path, err)
	}
	return s, nil
}

// Close gives the file free.
func (s *Store) Close() error { return s.db.Close() }

func (s *Store) prepare(tx *bolt.Tx) error {
	for _, name := range [][]byte{bucketMeta, bucketClaims, bucketJournal, bucketArchive, bucketCarriedClaims, bucketCarried, bucketSeen, bucketNames} {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return fmt.Errorf("making bucket %s: %w", name, err)
		}
	}
	meta := tx.Bucket(bucketMeta)
	if owner := meta.Get(keyCounter); owner != nil && string(owner) != s.counter {
		return fmt.Errorf("it belongs to counter %s, not to %s", owner, s.counter)
	}
	if meta.Get(keyClerk) == nil {
		if err := meta.Put(keyClerk, []byte(rand.Text())); err != nil {
			return fmt.Errorf("making the token of the clerk's browsers: %w", err)
		}
	}
	if epoch := meta.Get(keyEpoch); epoch != nil {
		s.epoch = string(epoch)
		return nil
	}
	s.epoch = rand.Text()
	return errors.Join(meta.Put(keyCounter, []byte(s.counter)), meta.Put(keyEpoch, []byte(s.epoch)))
}

// verify walks both chains from their base to their head, and compares what is carried on with its digest.
func (s *Store) verify(tx *bolt.Tx) error {
	meta := tx.Bucket(bucketMeta)
	public, err := s.key.PublicKey()
	if err != nil {
		return fmt.Errorf("public key of the counter: %w", err)
	}
	claim := func(raw []byte) (number uint64, previous, hash []byte, err error) {
		c, hash, err := counterlink.VerifyClaim(public, raw)
		return c.GetNumber(), c.GetPreviousHash(), hash, err
	}
	entry := func(raw []byte) (number uint64, previous, hash []byte, err error) {
		var e Entry
		err = json.Unmarshal(raw, &e)
		return e.Number, e.Previous, events.Hash(raw), err
	}
	if s.claims, err = walk(tx.Bucket(bucketClaims), getLink(meta, keyClaimBase), getLink(meta, keyClaimHead), claim); err != nil {
		return fmt.Errorf("claims: %w", err)
	}
	if s.journal, err = walk(tx.Bucket(bucketJournal), getLink(meta, keyJournalBase), getLink(meta, keyJournalHead), entry); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	if digest := meta.Get(keyCarried); !bytes.Equal(digest, carriedDigest(tx)) && (digest != nil || carries(tx)) {
		return fmt.Errorf("what is carried on of closed entries: %w", ErrTampered)
	}
	s.delivered = getLink(meta, keyDelivered)
	if s.delivered.Number > s.claims.Number {
		return fmt.Errorf("claim %d was delivered, the last one here is %d: %w", s.delivered.Number, s.claims.Number, ErrTampered)
	}
	return nil
}

// carriedDigest is SHA-256 over all that is carried on, in order.
func carriedDigest(tx *bolt.Tx) []byte {
	h := sha256.New()
	for _, name := range [][]byte{bucketCarriedClaims, bucketCarried} {
		_ = tx.Bucket(name).ForEach(func(k, v []byte) error {
			h.Write(binary.BigEndian.AppendUint64(k[:len(k):len(k)], uint64(len(v))))
			h.Write(v)
			return nil
		})
	}
	return h.Sum(nil)
}

func carries(tx *bolt.Tx) bool {
	claim, _ := tx.Bucket(bucketCarriedClaims).Cursor().First()
	entry, _ := tx.Bucket(bucketCarried).Cursor().First()
	return claim != nil || entry != nil
}

func walk(b *bolt.Bucket, at, head link, read func([]byte) (uint64, []byte, []byte, error)) (link, error) {
	err := b.ForEach(func(k, v []byte) error {
		number, previous, hash, err := read(v)
		switch {
		case err != nil:
			return fmt.Errorf("number %d: %w: %w", at.Number+1, err, ErrTampered)
		case number != at.Number+1, !bytes.Equal(k, numberKey(number)), !bytes.Equal(previous, at.Hash):
			return fmt.Errorf("number %d does not follow number %d: %w", number, at.Number, ErrTampered)
		}
		at = link{Number: number, Hash: hash}
		return nil
	})
	if err == nil && (at.Number != head.Number || !bytes.Equal(at.Hash, head.Hash)) {
		err = fmt.Errorf("ends at number %d, should end at %d: %w", at.Number, head.Number, ErrTampered)
	}
	return at, err
}

func numberKey(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func getLink(meta *bolt.Bucket, key []byte) (l link) {
	if raw := meta.Get(key); raw != nil {
		_ = json.Unmarshal(raw, &l) // a broken head differs from the walked one and is found by that
	}
	return l
}

func putLink(meta *bolt.Bucket, key []byte, l link) error {
	raw, err := json.Marshal(l)
	if err != nil {
		return err
	}
	return meta.Put(key, raw)
}

// Tx is one durable step: the claims and journal entries written through it stand together or not at all.
type Tx struct {
	s                *Store
	tx               *bolt.Tx
	claims, journal  link
	claimed, entered bool
}

// Record runs one durable step. When it returns nil, what do wrote is on the disk.
func (s *Store) Record(do func(*Tx) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &Tx{s: s, claims: s.claims, journal: s.journal}
	err := s.db.Update(func(tx *bolt.Tx) error {
		t.tx = tx
		if err := do(t); err != nil {
			return err
		}
		meta := tx.Bucket(bucketMeta)
		return errors.Join(putLink(meta, keyClaimHead, t.claims), putLink(meta, keyJournalHead, t.journal))
	})
	if err != nil {
		return fmt.Errorf("writing to the counter's store: %w", err)
	}
	s.claims, s.journal = t.claims, t.journal
	if t.claimed {
		s.notify()
	}
	return nil
}

// Claim chains, signs and stores a claim. Counter, store epoch, number and previous hash are filled in.
func (t *Tx) Claim(c *events.Claim) error {
	c.Counter, c.StoreEpoch = t.s.counter, t.s.epoch
	c.Number, c.PreviousHash = t.claims.Number+1, t.claims.Hash
	signed, hash, err := counterlink.SignClaim(t.s.key, c)
	if err != nil {
		return err
	}
	t.claims, t.claimed = link{Number: c.Number, Hash: hash}, true
	return t.tx.Bucket(bucketClaims).Put(numberKey(c.Number), signed)
}

// Enter chains and stores a journal entry. Its number and previous hash are filled in.
func (t *Tx) Enter(e Entry) error {
	e.Number, e.Previous = t.journal.Number+1, t.journal.Hash
	raw, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encoding journal entry %d: %w", e.Number, err)
	}
	t.journal, t.entered = link{Number: e.Number, Hash: events.Hash(raw)}, true
	return t.tx.Bucket(bucketJournal).Put(numberKey(e.Number), raw)
}

// Last is the newest claim (counterlink.Outbox).
func (s *Store) Last() counterlink.Head {
	s.mu.Lock()
	defer s.mu.Unlock()
	return counterlink.Head{Epoch: s.epoch, Number: s.claims.Number, Hash: s.claims.Hash}
}

// Delivered is the newest claim known to be at the hub (counterlink.Outbox).
func (s *Store) Delivered() counterlink.Head {
	s.mu.Lock()
	defer s.mu.Unlock()
	return counterlink.Head{Epoch: s.epoch, Number: s.delivered.Number, Hash: s.delivered.Hash}
}

// Claim returns a signed claim and its hash (counterlink.Outbox). Delivered claims are there for [Keep].
func (s *Store) Claim(number uint64) (signed, hash []byte, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		if signed = bytes.Clone(tx.Bucket(bucketClaims).Get(numberKey(number))); signed == nil {
			signed = bytes.Clone(tx.Bucket(bucketArchive).Get(numberKey(number)))
		}
		return nil
	})
	if err == nil && signed == nil {
		err = fmt.Errorf("claim %d is not in the store: %w", number, ErrTampered)
	}
	if err != nil {
		return nil, nil, err
	}
	_, hash, err = counterlink.ParseClaim(signed)
	return signed, hash, err
}

// MarkDelivered records that all claims up to number are at the hub (counterlink.Outbox).
func (s *Store) MarkDelivered(number uint64) error {
	_, hash, err := s.Claim(number)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if number <= s.delivered.Number {
		return nil
	}
	to := link{Number: number, Hash: hash}
	if err := s.db.Update(func(tx *bolt.Tx) error { return putLink(tx.Bucket(bucketMeta), keyDelivered, to) }); err != nil {
		return fmt.Errorf("recording that claim %d is at the hub: %w", number, err)
	}
	s.delivered = to
	return nil
}

// Differed reports whether hub and counter disagreed about the claims, and the hub was not told of certificates since.
func (s *Store) Differed() (differed bool) {
	_ = s.db.View(func(tx *bolt.Tx) error { // a view fails only where the file is closed
		differed = tx.Bucket(bucketMeta).Get(keyDiffered) != nil
		return nil
	})
	return differed
}

// MarkDiffered notes that hub and counter disagree.
func (s *Store) MarkDiffered() error {
	return s.db.Update(func(tx *bolt.Tx) error { return tx.Bucket(bucketMeta).Put(keyDiffered, []byte{1}) })
}

// told ends what MarkDiffered noted, in the step that files what is told.
func (t *Tx) told() error { return t.tx.Bucket(bucketMeta).Delete(keyDiffered) }

// Outbox is the number of claims that are not at the hub yet.
func (s *Store) Outbox() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int(s.claims.Number - s.delivered.Number)
}
