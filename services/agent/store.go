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

// What can be wrong with a store.
var (
	// ErrTampered: an entry of the store is missing or was changed. The store must not be used; take its file into
	// safe keeping and enrol the counter with a new one.
	ErrTampered = errors.New("the counter's store was changed from outside")
	// ErrStoreBusy: another process has the store open.
	ErrStoreBusy = errors.New("another agent has the counter's store open")
)

var (
	bucketMeta = []byte("meta")
	// Everything that happened, by number: up to the base what is carried on of it, from there on the chain.
	bucketChain = []byte("chain")
	// The signed claims, by their own number, for [Keep]. Their entries in the chain hold their hashes.
	bucketSigned = []byte("signed")
	// The ids of commands and answers whose procedures are forgotten.
	bucketSeen = []byte("seen")
	// The names of the persons of procedures that are not closed, sealed to this counter.
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
	head      link // newest entry
	claims    link // newest claim
	delivered link
	notify    func()
}

// link is one end of a hash chain.
type link struct {
	Number uint64 `json:"number"`
	Hash   []byte `json:"hash,omitempty"`
}

// OpenStore opens or makes the store of a counter and verifies its chain. key signs the claims. Errors: ErrTampered,
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
	for _, name := range [][]byte{bucketMeta, bucketChain, bucketSigned, bucketSeen, bucketNames} {
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
		return s.convert(tx)
	}
	s.epoch = rand.Text()
	return errors.Join(meta.Put(keyCounter, []byte(s.counter)), meta.Put(keyEpoch, []byte(s.epoch)))
}

// verify compares what is carried on with its digest and walks the chain from there to its head. Claims that are not at
// the hub, and those of remembered procedures, must be as they were signed.
func (s *Store) verify(tx *bolt.Tx) error {
	meta := tx.Bucket(bucketMeta)
	public, err := s.key.PublicKey()
	if err != nil {
		return fmt.Errorf("public key of the counter: %w", err)
	}
	base, head := getLink(meta, keyBase), getLink(meta, keyHead)
	carried, at := sha256.New(), base
	err = eachEntry(tx, func(e Entry, k, raw []byte) error {
		switch {
		case !bytes.Equal(k, numberKey(e.Number)):
			return fmt.Errorf("number %d stands in another's place: %w", e.Number, ErrTampered)
		case e.Number <= base.Number:
			carry(carried, k, raw)
		case e.Number != at.Number+1, !bytes.Equal(e.Previous, at.Hash):
			return fmt.Errorf("number %d does not follow number %d: %w", e.Number, at.Number, ErrTampered)
		default:
			at = link{Number: e.Number, Hash: events.Hash(raw)}
		}
		if e.Step != StepClaimed {
			return nil
		}
		_, hash, err := counterlink.VerifyClaim(public, tx.Bucket(bucketSigned).Get(numberKey(e.Claim)))
		if err == nil && !bytes.Equal(hash, e.Digest) {
			err = errors.New("it is not the one that was signed")
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
		return fmt.Errorf("what is carried on of closed entries: %w", ErrTampered)
	case at.Number != head.Number, !bytes.Equal(at.Hash, head.Hash):
		return fmt.Errorf("ends at number %d, should end at %d: %w", at.Number, head.Number, ErrTampered)
	}
	s.head = head
	return s.verifyClaims(tx, public)
}

// verifyClaims verifies the newest claim, which is never forgotten, and compares it with what is known of it.
func (s *Store) verifyClaims(tx *bolt.Tx, public string) error {
	meta := tx.Bucket(bucketMeta)
	s.claims, s.delivered = getLink(meta, keyClaimHead), getLink(meta, keyDelivered)
	var newest link
	if k, signed := tx.Bucket(bucketSigned).Cursor().Last(); k != nil {
		claim, hash, err := counterlink.VerifyClaim(public, signed)
		if err != nil {
			return fmt.Errorf("the newest claim: %w: %w", err, ErrTampered)
		}
		newest = link{Number: claim.GetNumber(), Hash: hash}
	}
	if newest.Number != s.claims.Number || !bytes.Equal(newest.Hash, s.claims.Hash) {
		return fmt.Errorf("claims end at number %d, should end at %d: %w", newest.Number, s.claims.Number, ErrTampered)
	}
	if s.delivered.Number > s.claims.Number {
		return fmt.Errorf("claim %d was delivered, the last one here is %d: %w", s.delivered.Number, s.claims.Number, ErrTampered)
	}
	return nil
}

// carry adds an entry to the digest of what is carried on.
func carry(digest hash.Hash, k, raw []byte) {
	digest.Write(binary.BigEndian.AppendUint64(k[:len(k):len(k)], uint64(len(raw))))
	digest.Write(raw)
}

// eachEntry hands on everything that the store holds, in the order in which it happened.
func eachEntry(tx *bolt.Tx, do func(e Entry, k, raw []byte) error) error {
	return tx.Bucket(bucketChain).ForEach(func(k, raw []byte) error {
		var e Entry
		if err := json.Unmarshal(raw, &e); err != nil {
			return fmt.Errorf("entry %x: %w: %w", k, err, ErrTampered)
		}
		return do(e, k, raw)
	})
}

// meta returns a single value of the store, nil when there is none.
func (s *Store) meta(key []byte) (value []byte) {
	_ = s.db.View(func(tx *bolt.Tx) error { // a view fails only where the file is closed
		value = bytes.Clone(tx.Bucket(bucketMeta).Get(key))
		return nil
	})
	return value
}

func (s *Store) putMeta(key, value []byte) error {
	return s.db.Update(func(tx *bolt.Tx) error { return tx.Bucket(bucketMeta).Put(key, value) })
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

// Tx is one durable step: the claims and steps written through it stand together or not at all.
type Tx struct {
	s            *Store
	tx           *bolt.Tx
	head, claims link
}

// Record runs one durable step. When it returns nil, what do wrote is on the disk.
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
	return errors.Join(putLink(meta, keyHead, t.head), putLink(meta, keyClaimHead, t.claims))
}

// Claim chains, signs and stores a claim. Counter, store epoch, number and previous hash are filled in: claims are a chain
// of their own for the hub.
func (t *Tx) Claim(c *events.Claim) error {
	c.Counter, c.StoreEpoch = t.s.counter, t.s.epoch
	c.Number, c.PreviousHash = t.claims.Number+1, t.claims.Hash
	signed, hash, err := counterlink.SignClaim(t.s.key, c)
	if err != nil {
		return err
	}
	t.claims = link{Number: c.Number, Hash: hash}
	if err := t.tx.Bucket(bucketSigned).Put(numberKey(c.Number), signed); err != nil {
		return err
	}
	return t.Enter(claimed(c, hash))
}

// claimed is the entry of a claim.
func claimed(c *events.Claim, hash []byte) Entry {
	return Entry{AtMS: c.GetFiledMs(), Step: StepClaimed, ID: c.GetId(), Procedure: c.GetProcedure(), Claim: c.GetNumber(), Digest: hash}
}

// Enter chains and stores an entry. Its number and previous hash are filled in.
func (t *Tx) Enter(e Entry) error {
	e.Number, e.Previous = t.head.Number+1, t.head.Hash
	raw, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encoding entry %d: %w", e.Number, err)
	}
	t.head = link{Number: e.Number, Hash: events.Hash(raw)}
	return t.tx.Bucket(bucketChain).Put(numberKey(e.Number), raw)
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
	to := link{Number: number, Hash: hash}
	if err := s.db.Update(func(tx *bolt.Tx) error { return putLink(tx.Bucket(bucketMeta), keyDelivered, to) }); err != nil {
		return fmt.Errorf("recording that claim %d is at the hub: %w", number, err)
	}
	s.delivered = to
	return nil
}

// Differed reports whether hub and counter disagreed about the claims, and the hub was not told of certificates since.
func (s *Store) Differed() bool { return s.meta(keyDiffered) != nil }

// MarkDiffered notes that hub and counter disagree.
func (s *Store) MarkDiffered() error { return s.putMeta(keyDiffered, []byte{1}) }

// told ends what MarkDiffered noted, in the step that files what is told.
func (t *Tx) told() error { return t.tx.Bucket(bucketMeta).Delete(keyDiffered) }

// Outbox is the number of claims that are not at the hub yet.
func (s *Store) Outbox() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int(s.claims.Number - s.delivered.Number)
}
