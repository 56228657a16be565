package agent

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"sync"
	"time"

	"github.com/nats-io/nkeys"
	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"shomei/events"
	"shomei/pkg/counterlink"
)

// Errors of a store.
var (
	// ErrTampered: an entry of the store is missing or was changed. The store must not be used; keep its file as evidence
	// and enrol the counter with a new one.
	ErrTampered = errors.New("the counter's store was changed from outside")
	// ErrStoreBusy: another process has the store open.
	ErrStoreBusy = errors.New("another agent has the counter's store open")
)

var (
	bucketMeta = []byte("meta")
	// Entries by number: up to the base the carried ones, after it the chain.
	bucketChain = []byte("chain")
	// Signed claims by claim number, for [Keep]. Their entries in the chain hold their hashes.
	bucketSigned = []byte("signed")
	// Records of commands and answers of forgotten procedures, by id.
	bucketSeen = []byte("seen")
	// Applicants' names in open procedures, sealed to this counter.
	bucketNames = []byte("names")

	keyEpoch       = []byte("epoch")
	keyCounter     = []byte("counter")
	keyHead        = []byte("head")
	keyBase        = []byte("base")
	keyCarried     = []byte("carried.digest")
	keyClaimHead   = []byte("claims.head")
	keyDelivered   = []byte("delivered")
	keyUncompacted = []byte("uncompacted")
	keyDiffered    = []byte("differed")
	keyClerk       = []byte("clerk")
	keyScreen      = []byte("screen")
	keyOfficers    = []byte("officers")
)

const openWait = 3 * time.Second

// Store is the counter's one local file (bbolt). Every change is on disk when its call returns. It holds no personal data in
// the clear: personal parts of claims are sealed to the hub, commands stay sealed as received.
type Store struct {
	db      *bolt.DB
	key     nkeys.KeyPair
	counter string
	epoch   string

	mu        sync.Mutex
	head      ref // newest entry
	claims    ref // newest claim
	delivered ref
	notify    func()
}

// ref identifies an element of a hash chain by number and hash.
type ref struct {
	Number uint64 `json:"number"`
	Hash   []byte `json:"hash,omitempty"`
}

// OpenStore opens or creates a counter's store and verifies its chain. key signs the claims. Errors: ErrTampered,
// ErrStoreBusy.
func OpenStore(path, counter string, key nkeys.KeyPair) (*Store, error) {
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: openWait})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, fmt.Errorf("opening %s: %w; stop that agent first", path, ErrStoreBusy)
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

// Close closes the file.
func (s *Store) Close() error { return s.db.Close() }

func (s *Store) prepare(tx *bolt.Tx) error {
	for _, name := range [][]byte{bucketMeta, bucketChain, bucketSigned, bucketSeen, bucketNames} {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return fmt.Errorf("creating bucket %s: %w", name, err)
		}
	}
	meta := tx.Bucket(bucketMeta)
	if owner := meta.Get(keyCounter); owner != nil && string(owner) != s.counter {
		return fmt.Errorf("it belongs to counter %s, not to %s", owner, s.counter)
	}
	if meta.Get(keyClerk) == nil {
		if err := meta.Put(keyClerk, []byte(rand.Text())); err != nil {
			return fmt.Errorf("creating the token of the clerk's browsers: %w", err)
		}
	}
	if epoch := meta.Get(keyEpoch); epoch != nil {
		s.epoch = string(epoch)
		return s.convert(tx)
	}
	s.epoch = rand.Text()
	return errors.Join(meta.Put(keyCounter, []byte(s.counter)), meta.Put(keyEpoch, []byte(s.epoch)))
}

// verify compares the carried entries with their digest and the chain with its head. The claims of all entries must be those
// that were signed.
func (s *Store) verify(tx *bolt.Tx) error {
	meta := tx.Bucket(bucketMeta)
	public, err := s.key.PublicKey()
	if err != nil {
		return fmt.Errorf("public key of the counter: %w", err)
	}
	base, head := getRef(meta, keyBase), getRef(meta, keyHead)
	carried, at := sha256.New(), base
	err = eachEntry(tx, func(e Entry, k, raw []byte) error {
		switch {
		case !bytes.Equal(k, numberKey(e.Number)):
			return fmt.Errorf("number %d is stored under another number: %w", e.Number, ErrTampered)
		case e.Number <= base.Number:
			carry(carried, k, raw)
		case e.Number != at.Number+1, !bytes.Equal(e.Previous, at.Hash):
			return fmt.Errorf("number %d does not follow number %d: %w", e.Number, at.Number, ErrTampered)
		default:
			at = ref{Number: e.Number, Hash: events.Hash(raw)}
		}
		if e.Step != StepClaimed {
			return nil
		}
		_, hash, err := counterlink.VerifyClaim(public, tx.Bucket(bucketSigned).Get(numberKey(e.Claim)))
		if err == nil && !bytes.Equal(hash, e.Digest) {
			err = errors.New("not the claim that was signed")
		}
		if err != nil {
			return fmt.Errorf("claim %d: %w: %w", e.Claim, err, ErrTampered)
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case base.Number > 0 && !bytes.Equal(meta.Get(keyCarried), carried.Sum(nil)):
		return fmt.Errorf("carried entries: %w", ErrTampered)
	case at.Number != head.Number, !bytes.Equal(at.Hash, head.Hash):
		return fmt.Errorf("ends at number %d, should end at %d: %w", at.Number, head.Number, ErrTampered)
	}
	s.head = head
	return s.verifyClaims(tx, public)
}

// verifyClaims verifies the newest claim, which is never forgotten, against the recorded heads.
func (s *Store) verifyClaims(tx *bolt.Tx, public string) error {
	meta := tx.Bucket(bucketMeta)
	s.claims, s.delivered = getRef(meta, keyClaimHead), getRef(meta, keyDelivered)
	var newest ref
	if k, signed := tx.Bucket(bucketSigned).Cursor().Last(); k != nil {
		claim, hash, err := counterlink.VerifyClaim(public, signed)
		if err != nil {
			return fmt.Errorf("the newest claim: %w: %w", err, ErrTampered)
		}
		newest = ref{Number: claim.GetNumber(), Hash: hash}
	}
	if newest.Number != s.claims.Number || !bytes.Equal(newest.Hash, s.claims.Hash) {
		return fmt.Errorf("claims end at number %d, should end at %d: %w", newest.Number, s.claims.Number, ErrTampered)
	}
	if s.delivered.Number > s.claims.Number {
		return fmt.Errorf("claim %d was delivered, the last one here is %d: %w", s.delivered.Number, s.claims.Number, ErrTampered)
	}
	return nil
}

// carry adds an entry to the digest of the carried entries.
func carry(digest hash.Hash, k, raw []byte) {
	digest.Write(binary.BigEndian.AppendUint64(k[:len(k):len(k)], uint64(len(raw))))
	digest.Write(raw)
}

// eachEntry calls do for every entry, oldest first.
func eachEntry(tx *bolt.Tx, do func(e Entry, k, raw []byte) error) error {
	return tx.Bucket(bucketChain).ForEach(func(k, raw []byte) error {
		var e Entry
		if err := json.Unmarshal(raw, &e); err != nil {
			return fmt.Errorf("entry %x: %w: %w", k, err, ErrTampered)
		}
		return do(e, k, raw)
	})
}

// meta returns a single value of the store, or nil.
func (s *Store) meta(key []byte) (value []byte) {
	_ = s.db.View(func(tx *bolt.Tx) error { // View fails only if the file is closed
		value = bytes.Clone(tx.Bucket(bucketMeta).Get(key))
		return nil
	})
	return value
}

func (s *Store) putMeta(key, value []byte) error {
	return s.db.Update(func(tx *bolt.Tx) error { return tx.Bucket(bucketMeta).Put(key, value) })
}

func numberKey(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func getRef(meta *bolt.Bucket, key []byte) (l ref) {
	if raw := meta.Get(key); raw != nil {
		_ = json.Unmarshal(raw, &l) // a broken value differs from the chain's end, which verify notices
	}
	return l
}

func putRef(meta *bolt.Bucket, key []byte, l ref) error {
	raw, err := json.Marshal(l)
	if err != nil {
		return err
	}
	return meta.Put(key, raw)
}

// Tx is one transaction: its claims and entries are stored together or not at all.
type Tx struct {
	s            *Store
	tx           *bolt.Tx
	head, claims ref
}

// Record runs do in one transaction. When it returns nil, what do wrote is on disk.
func (s *Store) Record(do func(*Tx) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &Tx{s: s, head: s.head, claims: s.claims}
	err := s.db.Update(func(tx *bolt.Tx) error {
		t.tx = tx
		if err := do(t); err != nil {
			return err
		}
		return t.putHeads()
	})
	if err != nil {
		return fmt.Errorf("writing to the counter's store: %w", err)
	}
	claimed := t.claims.Number > s.claims.Number
	s.head, s.claims = t.head, t.claims
	if claimed {
		s.notify()
	}
	return nil
}

func (t *Tx) putHeads() error {
	meta := t.tx.Bucket(bucketMeta)
	return errors.Join(putRef(meta, keyHead, t.head), putRef(meta, keyClaimHead, t.claims))
}

// Claim chains, signs and stores a claim. It fills in counter, store epoch, number and previous hash: for the hub, claims
// are a chain of their own.
func (t *Tx) Claim(c *events.Claim) error {
	c.Counter, c.StoreEpoch = t.s.counter, t.s.epoch
	c.Number, c.PreviousHash = t.claims.Number+1, t.claims.Hash
	signed, hash, err := counterlink.SignClaim(t.s.key, c)
	if err != nil {
		return err
	}
	t.claims = ref{Number: c.Number, Hash: hash}
	if err := t.tx.Bucket(bucketSigned).Put(numberKey(c.Number), signed); err != nil {
		return err
	}
	return t.Enter(claimed(c, hash))
}

// claimed returns the entry of a claim.
func claimed(c *events.Claim, hash []byte) Entry {
	return Entry{AtMS: c.GetFiledMs(), Step: StepClaimed, ID: c.GetId(), Procedure: c.GetProcedure(), Claim: c.GetNumber(), Digest: hash}
}

// Enter chains and stores an entry, filling in its number and previous hash.
func (t *Tx) Enter(e Entry) error {
	e.Number, e.Previous = t.head.Number+1, t.head.Hash
	raw, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encoding entry %d: %w", e.Number, err)
	}
	t.head = ref{Number: e.Number, Hash: events.Hash(raw)}
	return t.tx.Bucket(bucketChain).Put(numberKey(e.Number), raw)
}

// Last returns the newest claim (counterlink.Outbox).
func (s *Store) Last() counterlink.Head {
	s.mu.Lock()
	defer s.mu.Unlock()
	return counterlink.Head{Epoch: s.epoch, Number: s.claims.Number, Hash: s.claims.Hash}
}

// Delivered returns the newest claim known to be at the hub (counterlink.Outbox).
func (s *Store) Delivered() counterlink.Head {
	s.mu.Lock()
	defer s.mu.Unlock()
	return counterlink.Head{Epoch: s.epoch, Number: s.delivered.Number, Hash: s.delivered.Hash}
}

// Claim returns a signed claim and its hash (counterlink.Outbox). Delivered claims are kept for [Keep].
func (s *Store) Claim(number uint64) (signed, hash []byte, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		signed = bytes.Clone(tx.Bucket(bucketSigned).Get(numberKey(number)))
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
	to := ref{Number: number, Hash: hash}
	if err := s.db.Update(func(tx *bolt.Tx) error { return putRef(tx.Bucket(bucketMeta), keyDelivered, to) }); err != nil {
		return fmt.Errorf("recording that claim %d is at the hub: %w", number, err)
	}
	s.delivered = to
	return nil
}

// Differed reports whether hub and counter disagreed about the claims and the certificates were not reported since.
func (s *Store) Differed() bool { return s.meta(keyDiffered) != nil }

// MarkDiffered records that hub and counter disagree.
func (s *Store) MarkDiffered() error { return s.putMeta(keyDiffered, []byte{1}) }

// clearDiffered clears the mark of MarkDiffered, in the transaction that reports the certificates.
func (t *Tx) clearDiffered() error { return t.tx.Bucket(bucketMeta).Delete(keyDiffered) }

// Outbox returns the number of claims that are not at the hub yet.
func (s *Store) Outbox() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int(s.claims.Number - s.delivered.Number)
}
