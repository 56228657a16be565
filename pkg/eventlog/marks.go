package eventlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"shomei/pkg/durable"
	"shomei/pkg/eventlog/blocks"
)

// A mark is the highest sequence that this process saw in a stream, and the SHA-256 of the payload there. It stands
// outside JetStream because JetStream can lose a tail and report that all is well.
//
// The file holds two slots written in turn, so that a write cut off by a power failure leaves the other. It is written
// before Update returns, which survives the death of the process, and synced in the background, which bounds what
// the death of the machine can take back to syncEvery: a mark that is too old detects less, it never blocks.
type mark struct {
	mu       sync.Mutex
	file     *os.File
	sequence uint64
	hash     [32]byte
	slot     int64
	dirty    bool
}

const (
	slotSize  = 64
	slotMagic = 0x53684d31 // "ShM1"
	syncEvery = 100 * time.Millisecond
)

// ErrMarks says that the directory of high-water marks is in use by another process, or that a mark can't be read.
var ErrMarks = errors.New("high-water marks are not usable")

// openMark opens or creates a mark. A file whose slots are both unreadable is an error: without it, loss would pass.
func openMark(path string) (*mark, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening high-water mark: %w", err)
	}
	m := &mark{file: file}
	if err := m.read(); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return m, nil
}

func (m *mark) read() error {
	var both [2 * slotSize]byte
	n, _ := m.file.ReadAt(both[:], 0)
	found := false
	for slot := range int64(2) {
		sequence, hash, ok := decodeSlot(both[slot*slotSize : (slot+1)*slotSize])
		if ok && (!found || sequence > m.sequence) {
			m.sequence, m.hash, m.slot, found = sequence, hash, slot, true
		}
	}
	if n > 0 && !found {
		return fmt.Errorf("%s holds no readable mark; run fsck on the whole log, then delete this file: %w", m.file.Name(), ErrMarks)
	}
	return nil
}

// SeenIn gives the high-water marks of a directory, for whoever looks at the streams before the server does; the zero Mark
// where there is none. The error is ErrMarks for one that can't be read.
func SeenIn(dir string) func(stream string) (blocks.Mark, error) {
	return func(stream string) (blocks.Mark, error) {
		file, err := os.Open(filepath.Join(dir, stream+markSuffix))
		if errors.Is(err, fs.ErrNotExist) {
			return blocks.Mark{}, nil
		}
		if err != nil {
			return blocks.Mark{}, fmt.Errorf("reading high-water mark: %w", err)
		}
		m := &mark{file: file}
		err = errors.Join(m.read(), file.Close())
		return blocks.Mark{Sequence: m.sequence, Hash: m.hash}, err
	}
}

const markSuffix = ".mark"

func decodeSlot(b []byte) (sequence uint64, hash [32]byte, ok bool) {
	if binary.BigEndian.Uint32(b) != slotMagic || crc32.ChecksumIEEE(b[:44]) != binary.BigEndian.Uint32(b[44:]) {
		return 0, hash, false
	}
	copy(hash[:], b[12:44])
	return binary.BigEndian.Uint64(b[4:]), hash, true
}

func encodeSlot(sequence uint64, hash [32]byte) []byte {
	b := make([]byte, slotSize)
	binary.BigEndian.PutUint32(b, slotMagic)
	binary.BigEndian.PutUint64(b[4:], sequence)
	copy(b[12:], hash[:])
	binary.BigEndian.PutUint32(b[44:], crc32.ChecksumIEEE(b[:44]))
	return b
}

// advance raises the mark. A lower sequence changes nothing: acknowledgements arrive out of order.
func (m *mark) advance(sequence uint64, hash []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if sequence <= m.sequence {
		return nil
	}
	m.sequence = sequence
	copy(m.hash[:], hash)
	if m.file == nil {
		return nil
	}
	// A slot that a failed write may have torn is written again, and the other kept whole meanwhile.
	if _, err := m.file.WriteAt(encodeSlot(m.sequence, m.hash), (1-m.slot)*slotSize); err != nil {
		return fmt.Errorf("writing high-water mark: %w", err)
	}
	m.slot, m.dirty = 1-m.slot, true
	return nil
}

func (m *mark) get() (sequence uint64, hash [32]byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sequence, m.hash
}

func (m *mark) sync() error {
	m.mu.Lock()
	dirty := m.dirty
	m.dirty = false
	m.mu.Unlock()
	if !dirty || m.file == nil {
		return nil
	}
	if err := m.file.Sync(); err != nil {
		return fmt.Errorf("syncing high-water mark: %w", err)
	}
	return nil
}

func (m *mark) close() error {
	if m.file == nil {
		return nil
	}
	return errors.Join(m.sync(), m.file.Close())
}

// lockMarks takes the directory for this process alone: two would overwrite each other's slots.
func lockMarks(dir string) (*os.File, error) {
	lock, err := durable.Lock(filepath.Join(dir, "lock"))
	if errors.Is(err, durable.ErrLocked) {
		return nil, fmt.Errorf("%s belongs to another running process; give each process a directory of its own: %w", dir, ErrMarks)
	}
	return lock, err
}
