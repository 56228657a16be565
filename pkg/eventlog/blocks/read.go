package blocks

import (
	"cmp"
	"fmt"
	"time"
)

// Message is one message as stored in a block. Its bytes are valid only during the call that passes it.
type Message struct {
	Stream   string
	Sequence uint64
	Time     time.Time
	Subject  string
	Payload  []byte
}

// Read calls fn for every whole message of a stream in order, even if the stream is withheld, and skips what is
// damaged. It stops at the first error of fn and returns it.
func Read(store, name string, fn func(Message) error) error {
	streams, err := streamsIn(store)
	if err != nil {
		return err
	}
	for _, s := range streams {
		if s.name != name {
			continue
		}
		var failed error
		if err := s.each(func(r record) {
			if failed == nil {
				failed = fn(Message{
					Stream: name, Sequence: r.sequence, Time: time.Unix(0, r.at), Subject: string(r.subject), Payload: r.payload,
				})
			}
		}); err != nil || failed != nil {
			return fmt.Errorf("reading stream %s: %w", name, cmp.Or(failed, err))
		}
	}
	return nil
}
