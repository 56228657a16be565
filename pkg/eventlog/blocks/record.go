package blocks

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"

	"github.com/minio/highwayhash"
)

// A record of a block, little endian:
//
//	length(4) sequence(8) time(8) subject length(2) subject [headers' length(4) headers] payload checksum(8)
//
// The length counts the whole record; its highest bit says that there are headers. The highest bit of the sequence
// marks an erased message, the next one a tombstone: another record, of the message with that sequence, is deleted. The
// checksum covers sequence, time, subject, headers and payload, and none of the three lengths.
const (
	headSize     = 22
	sumSize      = 8
	smallest     = headSize + sumSize
	largest      = 32 << 20 // the server accepts no longer record
	withHeaders  = 1 << 31
	erasedBit    = 1 << 63
	tombstoneBit = 1 << 62
)

// errRecord: there is no whole record at this offset.
var errRecord = errors.New("no whole record")

// form is the form of a record.
type form int

const (
	message form = iota
	erased
	tombstone
)

// record is one record of a block. Its slices point into the block.
type record struct {
	size                      int
	form                      form
	sequence                  uint64
	at                        int64
	subject, headers, payload []byte
}

// checksum is the server's checksum of one block.
type checksum = hash.Hash64

// checksums returns the checksum of a block, which is keyed by the names of stream and block.
func checksums(stream string, block uint32) checksum {
	key := sha256.Sum256(fmt.Appendf(nil, "%s-%d", stream, block))
	sum, err := highwayhash.New64(key[:])
	if err != nil {
		panic(err) // only for a key of another length
	}
	return sum
}

func sumOf(sum checksum, head, subject, rest []byte) []byte {
	sum.Reset()
	sum.Write(head[4:20])
	sum.Write(subject)
	sum.Write(rest)
	return sum.Sum(nil)
}

// parse decodes the record that b begins with. The error wraps errRecord.
func parse(b []byte, sum checksum) (record, error) {
	if len(b) < headSize {
		return record{}, fmt.Errorf("%d bytes are left: %w", len(b), errRecord)
	}
	length := binary.LittleEndian.Uint32(b)
	size, subject := int(length&^withHeaders), int(binary.LittleEndian.Uint16(b[20:]))
	skipped := 0
	if length&withHeaders != 0 {
		skipped = 4
	}
	if size < smallest || size > largest || size > len(b) || headSize+subject+skipped+sumSize > size {
		return record{}, fmt.Errorf("the length is wrong: %w", errRecord)
	}
	data := b[headSize : size-sumSize]
	if !bytes.Equal(sumOf(sum, b, data[:subject], data[subject+skipped:]), b[size-sumSize:size]) {
		return record{}, fmt.Errorf("the checksum is wrong: %w", errRecord)
	}
	r := record{size: size, subject: data[:subject], payload: data[subject+skipped:], at: int64(binary.LittleEndian.Uint64(b[12:]))}
	r.setSequence(binary.LittleEndian.Uint64(b[4:]))
	if skipped == 0 || r.form != message {
		return r, nil
	}
	return r, r.split(binary.LittleEndian.Uint32(data[subject:]))
}

func (r *record) setSequence(stored uint64) {
	r.sequence = stored &^ (erasedBit | tombstoneBit)
	switch {
	case stored&tombstoneBit != 0:
		r.form = tombstone
	case stored&erasedBit != 0:
		r.form = erased
	}
}

var (
	headersBegin = []byte("NATS/1.0\r\n")
	headersEnd   = []byte("\r\n\r\n")
)

// split separates the headers from the payload. No checksum covers their length, so it is compared with where they end;
// malformed headers from a client are taken as they are.
func (r *record) split(length uint32) error {
	rest := r.payload
	end := bytes.Index(rest, headersEnd) + len(headersEnd)
	if !bytes.HasPrefix(rest, headersBegin) || end < len(headersEnd) {
		end = min(int(length), len(rest))
	}
	r.headers, r.payload = rest[:end], rest[end:]
	if int64(length) != int64(end) {
		return fmt.Errorf("the length of the headers is wrong: %w", errRecord)
	}
	return nil
}

// encode appends the record to b as the server would write it.
func (r record) encode(b []byte, sum checksum) []byte {
	length := headSize + len(r.subject) + len(r.headers) + len(r.payload) + sumSize
	stored := r.sequence
	switch r.form {
	case erased:
		stored |= erasedBit
	case tombstone:
		stored |= tombstoneBit
	}
	begin := len(b)
	if len(r.headers) > 0 {
		length += 4
		b = binary.LittleEndian.AppendUint32(b, uint32(length)|withHeaders)
	} else {
		b = binary.LittleEndian.AppendUint32(b, uint32(length))
	}
	b = binary.LittleEndian.AppendUint64(b, stored)
	b = binary.LittleEndian.AppendUint64(b, uint64(r.at))
	b = binary.LittleEndian.AppendUint16(b, uint16(len(r.subject)))
	b = append(b, r.subject...)
	rest := len(b)
	if len(r.headers) > 0 {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(r.headers)))
		rest = len(b)
		b = append(b, r.headers...)
	}
	b = append(b, r.payload...)
	return append(b, sumOf(sum, b[begin:], r.subject, b[rest:])...)
}

// clone returns a copy that doesn't share its block's memory.
func (r record) clone() record {
	r.subject, r.headers, r.payload = bytes.Clone(r.subject), bytes.Clone(r.headers), bytes.Clone(r.payload)
	return r
}

// print returns the record's fingerprint: sequence, subject and payload. A mirror keeps these and changes headers.
func (r record) print() fingerprint {
	all := sha256.New()
	all.Write(binary.LittleEndian.AppendUint64(nil, r.sequence))
	all.Write(binary.LittleEndian.AppendUint16(nil, uint16(len(r.subject))))
	all.Write(r.subject)
	all.Write(r.payload)
	return fingerprint{sequence: r.sequence, at: r.at, sum: [sha256.Size]byte(all.Sum(nil))}
}

// fingerprint identifies a message without its bytes; the zero value is no message.
type fingerprint struct {
	sequence uint64
	at       int64
	sum      [sha256.Size]byte
}
