package blocks

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
)

// hole is a range of a stream where whole records are missing.
type hole struct {
	// block and from are where it begins, bytes what stands there: nothing, if records are only missing.
	block uint32
	from  int
	bytes []byte
	// first and last sequence that stood here; first > last if there was none, as with a damaged tombstone.
	first, last uint64
	// before and after are the neighbouring messages, if any.
	before, after fingerprint
	// torn: the file ends within the record, because its writer died.
	torn bool
	// open: the next record will tell what stood here.
	open bool
	why  string
	// unwanted: the message here is to be removed.
	unwanted bool
	// gap is set if a filler of an earlier repair stands here.
	gap *Gap
}

// scanned is the result of scanning a stream.
type scanned struct {
	stream
	blocks   []uint32
	bytes    int64
	messages uint64
	// last is the highest sequence in the stream, in any form.
	last  uint64
	holes []hole
}

// scan reads all blocks of a stream in order. seen is the highest sequence ever known of it, or 0. Unwanted sequences
// count as holes.
func (s stream) scan(seen uint64, unwanted map[uint64]string) (*scanned, error) {
	numbers, err := s.blockNumbers()
	if err != nil {
		return nil, err
	}
	w := &walk{scanned: &scanned{stream: s, blocks: numbers}, unwanted: unwanted}
	var b []byte
	for _, n := range numbers {
		if b, err = readInto(b, s.blockPath(n)); err != nil {
			return nil, fmt.Errorf("reading a block of stream %s: %w", s.name, err)
		}
		w.readBlock(n, b)
	}
	w.finish(seen)
	return w.scanned, nil
}

// readInto reads a whole file into a reused buffer.
func readInto(b []byte, path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return b, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return b, err
	}
	b = slices.Grow(b[:0], int(info.Size()))[:info.Size()]
	_, err = io.ReadFull(file, b)
	return b, err
}

// walk is the state of a scan.
type walk struct {
	*scanned
	block uint32
	size  int
	// end is the last message of this block, done that of earlier blocks.
	end  record
	done fingerprint
	// open: some holes wait for the next record, which tells what stood in them.
	open bool
	// unwanted are the messages to remove, with the reason.
	unwanted map[uint64]string
	// unfollowed is how many of the last holes still lack the message after them.
	unfollowed int
}

func (w *walk) readBlock(n uint32, b []byte) {
	w.block, w.size, w.end = n, len(b), record{}
	w.bytes += int64(len(b))
	sum := checksums(w.name, n)
	for at := 0; at < len(b); {
		r, err := parse(b[at:], sum)
		if err == nil && !w.misread(r) {
			w.take(b, at, r)
			at += r.size
			continue
		}
		if err == nil {
			err = fmt.Errorf("the length of the subject is wrong: %w", errRecord)
		}
		to := w.nextRecord(b, at, sum)
		w.add(hole{from: at, bytes: b[at:to], torn: to == len(b) && cut(b[at:]) && !w.ends(b[at:], sum), open: true, why: err.Error()})
		w.open = true
		at = to
	}
	w.done = w.before()
}

// misread reports whether there is a whole commit whose subject ends elsewhere than stated: without headers, the
// checksum doesn't tell where.
func (w *walk) misread(r record) bool {
	return w.strict && r.form == message && len(r.headers) == 0 && !ofTheLog(string(r.subject)) &&
		subjectBefore(append(r.subject[:len(r.subject):len(r.subject)], r.payload...)) > 0
}

// before returns the last message so far.
func (w *walk) before() fingerprint {
	if w.end.sequence == 0 {
		return w.done
	}
	return w.end.print()
}

func (w *walk) add(h hole) {
	h.block, h.before, h.bytes = w.block, w.before(), bytes.Clone(h.bytes)
	w.holes = append(w.holes, h)
	w.unfollowed++
}

// take adds one whole record.
func (w *walk) take(b []byte, at int, r record) {
	all := b[at : at+r.size]
	if r.form == tombstone {
		if w.strict { // nothing may be deleted here, so what was deleted still stands in its block
			w.add(hole{from: at, bytes: all, first: 1, why: "a tombstone, in a stream that nothing is deleted from"})
		}
		return
	}
	if r.sequence <= w.last { // the server skips it, too
		return
	}
	w.reach(at, r.sequence)
	w.last = r.sequence
	if r.form == erased {
		w.takeErased(at, all, r)
		return
	}
	if why, ok := w.unwanted[r.sequence]; ok {
		w.add(hole{from: at, bytes: all, first: r.sequence, last: r.sequence, unwanted: true, why: why})
		return
	}
	for ; w.unfollowed > 0; w.unfollowed-- {
		w.holes[len(w.holes)-w.unfollowed].after = r.print()
	}
	w.end = r
	w.messages++
}

func (w *walk) takeErased(at int, all []byte, r record) {
	h := hole{from: at, bytes: all, first: r.sequence, last: r.sequence, why: "the message was erased"}
	if gap, ok := gapOf(r); ok {
		h.gap, h.why = &gap, gap.Why
	} else if !w.strict {
		return
	}
	w.add(h)
}

// reach settles what lies between the last record and the next, which begins at this offset of the block.
func (w *walk) reach(at int, next uint64) {
	switch {
	case w.open:
		w.settle(w.last+1, next-1)
	case w.strict && next > w.last+1:
		w.add(hole{from: at, first: w.last + 1, last: next - 1, why: "messages are missing"})
	}
}

// settle distributes sequences over the open holes: those that can still be read in each, the rest to the last one.
func (w *walk) settle(first, last uint64) {
	var open []*hole
	for i := range w.holes {
		if h := &w.holes[i]; h.open {
			open, h.open = append(open, h), false
		}
	}
	w.open = false
	for i, h := range open {
		hints := h.hints(first, last)
		switch n := len(hints); {
		case first > last:
			h.first, h.last = 1, 0
			continue
		case i+1 == len(open) && (w.strict || first == last):
			h.first, h.last = first, last
		case n > 0 && w.strict:
			h.first, h.last = first, hints[n-1].sequence
		case n > 0: // this stream may lack sequences at any time
			h.first, h.last = hints[0].sequence, hints[n-1].sequence
		case w.strict:
			h.first, h.last = first, first
		default:
			h.first, h.last = 1, 0
			continue
		}
		first = h.last + 1
	}
}

// finish settles the end of the stream.
func (w *walk) finish(seen uint64) {
	switch {
	case w.open:
		h := w.holes[len(w.holes)-1]
		last := max(w.last, seen)
		if !h.torn {
			last = max(last, w.last+1)
			if hints := h.hints(w.last+1, w.last+uint64(len(h.bytes)/smallest)); len(hints) > 0 {
				last = max(last, hints[len(hints)-1].sequence)
			}
		}
		w.settle(w.last+1, last)
	case w.strict && w.last < seen:
		w.block = max(w.block, 1)
		w.add(hole{from: w.size, first: w.last + 1, last: seen, why: "the end of the stream is missing"})
	}
	for _, h := range w.holes {
		w.last = max(w.last, h.last)
	}
}

// ends reports whether an apparently truncated record is a whole one whose length was changed.
func (w *walk) ends(b []byte, sum checksum) bool {
	_, whole := fragment{sequence: w.last + 1, bytes: b, exact: true}.itself(w.strict, sum)
	return whole
}

// cut reports whether the end of a file looks like an interrupted write.
func cut(b []byte) bool {
	if len(b) < headSize {
		return true
	}
	size := int64(binary.LittleEndian.Uint32(b) &^ withHeaders)
	return size > int64(len(b)) && size <= largest || allZero(b)
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// farthest bounds the sequences that may be missing between two records of a stream with deletions.
const farthest = 1 << 30

// nextRecord returns the offset of the next whole record, or the end of the block.
func (w *walk) nextRecord(b []byte, at int, sum checksum) int {
	for to := at + 1; to+smallest <= len(b); to++ {
		sequence := binary.LittleEndian.Uint64(b[to+4:])
		if sequence < tombstoneBit && (sequence <= w.last || w.last > 0 && sequence > w.last+farthest || w.strict && sequence > w.last+2+uint64(to-at)/smallest) {
			continue
		}
		if _, err := parse(b[to:], sum); err == nil {
			return to
		}
	}
	return len(b)
}

// hint is where in a hole a record seems to begin.
type hint struct {
	sequence uint64
	at       int
}

// hints finds the heads of damaged records whose sequences are still readable, in order.
func (h hole) hints(first, last uint64) []hint {
	var found []hint
	for at := 0; at+headSize <= len(h.bytes) && first <= last; at++ {
		sequence := binary.LittleEndian.Uint64(h.bytes[at+4:])
		if sequence < first || sequence > last || !plausible(h.bytes[at:]) {
			continue
		}
		found = append(found, hint{sequence, at})
		first, at = sequence+1, at+smallest-1
	}
	return found
}

// plausible reports whether length and time can be a record's.
func plausible(head []byte) bool {
	size := binary.LittleEndian.Uint32(head) &^ withHeaders
	at := time.Unix(0, int64(binary.LittleEndian.Uint64(head[12:])))
	return size >= smallest && size <= largest && at.Year() >= 2020 && at.Year() < 2200
}
