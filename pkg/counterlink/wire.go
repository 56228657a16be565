package counterlink

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"shomei/events"
)

// What a counter says to the gate, by the last token of its subject. A claim has none.
const (
	sayHello = "head"
	sayAlive = "alive"
	sayTaken = "taken"
	sayBye   = "bye"
	sayCard  = "card"
	// sayPerson asks whether somebody is known; it is signed.
	sayPerson = "person"
	// sayCase asks for applications that wait for the answer to a letter; it is signed.
	sayCase = "case"
)

// The header fields of claims, commands and answers, besides those of the link-up.
const (
	headerSession = "Shomei-Session"
	// headerLink is the nonce of the link-up that a command was sent in, headerPlace its place among those: 1, 2, 3… The
	// stream's own sequences are of no use here, because a hub that was restored from a copy gives them out again.
	headerLink  = "Shomei-Link"
	headerPlace = "Shomei-Place"
	headerRetry = "Shomei-Retry-After"
)

// ErrSession says that another agent is linked up with this counter's credentials.
var ErrSession = errors.New("another agent is linked up as this counter")

const (
	// silence is how long a session may say nothing before another agent may have its counter.
	silence = 15 * time.Second
	// heartbeat is how often a counter says that it is there.
	heartbeat = 4 * time.Second
	// maxReply bounds a reply subject, in bytes.
	maxReply = 256
)

// ownInbox reports whether a reply subject is one of a counter's own inbox. It is compared by whole tokens, and no token
// is a wildcard or anything else that a client library does not make.
func ownInbox(counter, reply string) bool {
	rest, ok := strings.CutPrefix(reply, InboxPrefix(counter)+".")
	if !ok || len(reply) > maxReply {
		return false
	}
	for token := range strings.SplitSeq(rest, ".") {
		if !events.ValidID(token) {
			return false
		}
	}
	return true
}

// stored is the gate's answer to a claim, in the form of JetStream's own: where it is stored, or why not.
type stored struct {
	Stream   string  `json:"stream,omitempty"`
	Sequence uint64  `json:"seq,omitempty"`
	Error    *denial `json:"error,omitempty"`
}

// denial is why the gate did not do what a counter asked for.
type denial struct {
	Code        int    `json:"code"`
	ErrCode     uint16 `json:"err_code,omitempty"`
	Description string `json:"description"`
}

// Codes of denials, as in HTTP.
const (
	codeSession  = 409
	codeTooLarge = 413
	codeBusy     = 429
	codeFailed   = 503
)

func (d *denial) Error() string { return fmt.Sprintf("the hub's gate: %s", d.Description) }

// denialOf tells a counter why its claim is not stored, or that nobody knows.
func denialOf(err error) *denial {
	var api jetstream.JetStreamError
	if errors.As(err, &api) && api.APIError() != nil {
		e := api.APIError()
		return &denial{Code: e.Code, ErrCode: uint16(e.ErrorCode), Description: e.Description}
	}
	return &denial{Code: codeFailed, Description: "the hub can't store it now: " + err.Error()}
}

// busyError says that a counter is beyond its bounds, and when it may go on.
type busyError struct{ after time.Duration }

func (e *busyError) Error() string {
	return fmt.Sprintf("the hub asks this counter to wait for %v", e.after.Round(time.Millisecond))
}

// parseStored reads the gate's answer to a claim. Errors are *busyError, and *denial with what the hub said.
func parseStored(m *nats.Msg) (sequence uint64, err error) {
	if err := parseBusy(m.Header); err != nil {
		return 0, err
	}
	var answer stored
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		return 0, fmt.Errorf("answer of the hub's gate: %w: %w", err, events.ErrMalformed)
	}
	if answer.Error != nil {
		return 0, answer.Error
	}
	return answer.Sequence, nil
}

// parseBusy returns a *busyError when the answer is one.
func parseBusy(h nats.Header) error {
	if text := h.Get(headerRetry); text != "" {
		ms, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			return fmt.Errorf("answer of the hub's gate: %w: %w", err, events.ErrMalformed)
		}
		return &busyError{time.Duration(ms) * time.Millisecond}
	}
	return nil
}

func parseSequence(h nats.Header, field string) (uint64, error) {
	sequence, err := strconv.ParseUint(h.Get(field), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %w: %w", field, err, events.ErrMalformed)
	}
	return sequence, nil
}

// retryHeader asks a counter to wait.
func retryHeader(after time.Duration) nats.Header {
	return nats.Header{headerRetry: {strconv.FormatInt(max(after.Milliseconds(), 1), 10)}}
}
