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

// What a counter sends to the gate, by the last token of the subject. A claim has none.
const (
	sayHello = "head"
	sayAlive = "alive"
	sayTaken = "taken"
	sayBye   = "bye"
	sayCard  = "card"
	// sayPerson asks whether a person is known; it is signed.
	sayPerson = "person"
	// sayCase asks for applications that await the answer to a letter; it is signed.
	sayCase = "case"
	// sayApproval asks which acts wait for a second officer, and what one of them is; it is signed.
	sayApproval = "approval"
	// sayFind asks who a person is; it is signed.
	sayFind = "find"
)

// Header fields of claims, commands and answers, besides those of the link-up.
const (
	headerSession = "Shomei-Session"
	// headerLink is the nonce of the link-up that a command was sent in, headerPlace its position among those: 1, 2, 3…
	// The stream's own sequences won't do, because a hub restored from a copy assigns them again.
	headerLink  = "Shomei-Link"
	headerPlace = "Shomei-Place"
	headerRetry = "Shomei-Retry-After"
)

// ErrSession: another agent is linked up with this counter's credentials.
var ErrSession = errors.New("another agent is linked up as this counter")

const (
	// silence is how long a session may be silent before another agent may take its counter.
	silence = 15 * time.Second
	// heartbeat is how often a counter reports that it is there.
	heartbeat = 4 * time.Second
	// maxReply bounds a reply subject, in bytes.
	maxReply = 256
)

// ownInbox reports whether a reply subject belongs to a counter's own inbox. It compares whole tokens, and accepts no
// wildcard or anything else that a client library does not make.
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

// stored is the gate's answer to a claim, in JetStream's own form: where it is stored, or why it isn't.
type stored struct {
	Stream   string  `json:"stream,omitempty"`
	Sequence uint64  `json:"seq,omitempty"`
	Error    *denial `json:"error,omitempty"`
}

// denial is why the gate refused a counter's message.
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

// denialOf tells a counter why its claim is not stored, or that the outcome is unknown.
func denialOf(err error) *denial {
	var api jetstream.JetStreamError
	if errors.As(err, &api) && api.APIError() != nil {
		e := api.APIError()
		return &denial{Code: e.Code, ErrCode: uint16(e.ErrorCode), Description: e.Description}
	}
	return &denial{Code: codeFailed, Description: "the hub can't store it now: " + err.Error()}
}

// busyError means that a counter is beyond its bounds; after is when it may continue.
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

// parseBusy returns a *busyError if the answer is one.
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
