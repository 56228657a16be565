package blocks

import (
	"fmt"
	"os"
	"path/filepath"
)

// copies are folders that may hold a stream's good records: a backup, a mirror on another disk, a replica.
type copies []string

// found holds the wanted records of one copy, by sequence.
type found struct {
	folder  string
	records map[uint64]record
}

// lookFor reads the wanted sequences from each copy.
func (c copies) lookFor(s stream, wanted map[uint64]bool) ([]found, error) {
	var all []found
	if len(wanted) == 0 {
		return nil, nil
	}
	for _, folder := range c {
		f := found{folder: folder, records: make(map[uint64]record)}
		streams, err := streamsOfCopy(folder)
		if err != nil {
			return nil, err
		}
		for _, other := range streams {
			if other.name != s.name && other.mirrors != s.name || sameFolder(other.folder, s.folder) {
				continue
			}
			if err := other.each(func(r record) {
				if _, known := f.records[r.sequence]; wanted[r.sequence] && !known {
					f.records[r.sequence] = r.clone()
				}
			}); err != nil {
				return nil, err
			}
		}
		all = append(all, f)
	}
	return all, nil
}

// streamsOfCopy lists the streams of a copy: a whole data folder, or a server's store.
func streamsOfCopy(folder string) ([]stream, error) {
	if _, err := os.Stat(folder); err != nil {
		return nil, fmt.Errorf("looking into the copy: %w", err)
	}
	var all []stream
	for _, store := range []string{folder, filepath.Join(folder, "nats"), filepath.Join(folder, "..")} {
		if filepath.Base(store) == ".." && filepath.Base(folder) != storeFolder {
			continue
		}
		streams, err := streamsIn(store)
		if err != nil {
			return nil, err
		}
		all = append(all, streams...)
	}
	return all, nil
}

func sameFolder(a, b string) bool {
	one, err1 := os.Stat(a)
	two, err2 := os.Stat(b)
	return err1 == nil && err2 == nil && os.SameFile(one, two)
}

// each calls fn for every whole message of a stream. A record's slices are valid during the call.
func (s stream) each(fn func(record)) error {
	numbers, err := s.blockNumbers()
	if err != nil {
		return err
	}
	var b []byte
	for _, n := range numbers {
		if b, err = readInto(b, s.blockPath(n)); err != nil {
			return fmt.Errorf("reading a block of stream %s: %w", s.name, err)
		}
		w, sum := &walk{scanned: &scanned{stream: stream{name: s.name}}}, checksums(s.name, n)
		for at := 0; at < len(b); {
			r, err := parse(b[at:], sum)
			if err != nil {
				at = w.nextRecord(b, at, sum)
				continue
			}
			if r.form == message {
				fn(r)
			}
			w.last = max(w.last, r.sequence)
			at += r.size
		}
	}
	return nil
}

// wanted returns the sequences to ask a copy for: those of the holes, and the messages around them.
func wanted(holes []hole) map[uint64]bool {
	sequences := make(map[uint64]bool)
	for _, h := range holes {
		if h.unwanted || h.first > h.last {
			continue
		}
		for sequence := h.first; sequence <= h.last; sequence++ {
			sequences[sequence] = true
		}
		sequences[h.before.sequence], sequences[h.after.sequence] = true, true
	}
	return sequences
}

// continues reports whether a copy has the same history as the stream around a hole: the neighbouring messages and the
// mark agree. A copy that was put back and then written to has another history. With only one neighbour, the fragment
// must match the record as well.
func (f found) continues(h hole, mark Mark, left fragment) bool {
	same := 0
	for _, neighbour := range []fingerprint{h.before, h.after} {
		r, ok := f.records[neighbour.sequence]
		switch {
		case neighbour.sequence == 0 || !ok:
		case r.print().sum != neighbour.sum:
			return false
		default:
			same++
		}
	}
	if h.first <= mark.Sequence && mark.Sequence <= h.last {
		if r, ok := f.records[mark.Sequence]; ok {
			return hashOf(r.payload) == mark.Hash
		}
	}
	return same == 2 || same == 1 && (h.gap != nil || left.alike(f.records[left.sequence]))
}

// alike reports whether a record may be the one that a fragment was: something that both state agrees.
func (f fragment) alike(r record) bool {
	sum := checksums("", 0)
	whole := r.encode(nil, sum)
	if len(f.bytes) < headSize {
		return true
	}
	equal := 0
	for i := range min(len(whole), len(f.bytes)) {
		if whole[i] == f.bytes[i] {
			equal++
		}
	}
	return equal*2 >= min(len(whole), len(f.bytes)) || string(f.bytes[12:20]) == string(whole[12:20])
}
