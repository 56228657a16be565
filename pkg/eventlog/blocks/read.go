package blocks

import (
	"cmp"
	"fmt"
	"time"
)

// Message is one message as it stands in a block. Its bytes are valid for the call that gives it.
type Message struct {
	Stream   string
	Sequence uint64
	Time     time.Time
	Subject  string
	Payload  []byte
}

// Read gives every whole message of a stream in order, also of one that is withheld, and passes over what is damaged. An
// error of fn ends it and comes back.
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
				failed = fn(Message{Stream: name, Sequence: r.sequence, Time: time.Unix(0, r.at), Subject: string(r.subject), Payload: r.payload})
			}
		}); err != nil || failed != nil {
			return fmt.Errorf("reading stream %s: %w", name, cmp.Or(failed, err))
		}
	}
	return nil
}
