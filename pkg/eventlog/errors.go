package eventlog

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

var (
	// ErrBehindMark says that a stream holds less than, or something else than, what this process has seen in it: an old
	// copy was put back, or its tail was lost. Nothing of the stream is served.
	ErrBehindMark = errors.New("stream is behind its high-water mark")
	// ErrDamaged says that messages are missing inside a stream, or that a chain of commits is broken.
	ErrDamaged = errors.New("log is damaged")
	// ErrParked says that a commit of this aggregate was damaged and no copy holds it: nothing is decided about it until it
	// is put back. All other aggregates go on.
	ErrParked = errors.New("aggregate is parked")
	// ErrForged says that a commit was not written by a trusted writer whose role may write its kind, or stands where it
	// was not written to.
	ErrForged = errors.New("commit is not to be believed")
	// ErrNewerState says that the state was folded by a newer version of the program. It is never folded downwards.
	ErrNewerState = errors.New("state was folded by a newer version")
	// ErrUnknownOutcome says that the commit may or may not be stored: repeat the same command id, with Redelivered set.
	ErrUnknownOutcome = errors.New("outcome unknown")
	// ErrConflict says that other writers won on this aggregate every time.
	ErrConflict = errors.New("too many conflicting writers")
	// ErrFull says that the stream or its disk takes no more; its server needs space, and a restart when it froze.
	ErrFull = errors.New("log takes no more")
	// ErrState says that the state after a commit is larger than events.StateLimit allows.
	ErrState = errors.New("state is too large")
	// ErrLayout says that the streams that exist are not those of the configuration.
	ErrLayout = errors.New("streams of the log differ from the configuration")
	// ErrConfig says that a Config, an Envelope or an argument is not usable.
	ErrConfig = errors.New("bad use of the log")
)

// The codes of the JetStream API that the log acts on. Texts change between versions, codes don't.
const (
	codeWrongLastSequence         jetstream.ErrorCode = 10071
	codeWrongLastSequenceConstant jetstream.ErrorCode = 10164 // replicated streams
	codeStoreFailed               jetstream.ErrorCode = 10077
	codeInsufficientResources     jetstream.ErrorCode = 10023
	codeStorageExceeded           jetstream.ErrorCode = 10047
	codeClusterNotAvailable       jetstream.ErrorCode = 10008
	codeClusterNotLeader          jetstream.ErrorCode = 10009
)

// hasCode reports whether err is an answer of the JetStream API with one of the codes.
func hasCode(err error, codes ...jetstream.ErrorCode) bool {
	var answer jetstream.JetStreamError
	if !errors.As(err, &answer) || answer.APIError() == nil {
		return false
	}
	for _, code := range codes {
		if answer.APIError().ErrorCode == code {
			return true
		}
	}
	return false
}

// isConflict reports whether another commit stands, or is on its way, where this one was to go.
func isConflict(err error) bool {
	return hasCode(err, codeWrongLastSequence, codeWrongLastSequenceConstant)
}

func isFull(err error) bool {
	return hasCode(err, codeStoreFailed, codeInsufficientResources, codeStorageExceeded)
}

// isAway reports whether the request was surely not served: nobody was there to take it.
func isAway(err error) bool {
	return errors.Is(err, nats.ErrNoResponders) || errors.Is(err, jetstream.ErrNoStreamResponse) ||
		errors.Is(err, nats.ErrReconnectBufExceeded) || hasCode(err, codeClusterNotAvailable, codeClusterNotLeader)
}

// isSilent reports whether a request may have been served although no answer came.
func isSilent(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || errors.Is(err, nats.ErrTimeout) ||
		errors.Is(err, nats.ErrDisconnected) || errors.Is(err, nats.ErrConnectionReconnecting)
}
