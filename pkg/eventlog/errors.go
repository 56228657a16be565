package eventlog

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

var (
	// ErrBehindMark: a stream holds less than, or something other than, what this process has seen in it. An old copy
	// was restored, or its tail was lost. The stream is not served.
	ErrBehindMark = errors.New("stream is behind its high-water mark")
	// ErrDamaged: messages are missing inside a stream, or a chain of commits is broken.
	ErrDamaged = errors.New("log is damaged")
	// ErrParked: a commit of this aggregate was damaged and no copy holds it. Nothing is decided about the aggregate
	// until the commit is restored; all others go on.
	ErrParked = errors.New("aggregate is parked")
	// ErrForged: a commit is not by a trusted writer whose role may write its kind, or is not where it was written to.
	ErrForged = errors.New("commit is not to be believed")
	// ErrNewerState: the state was folded by a newer version of the program. It is never folded downwards.
	ErrNewerState = errors.New("state was folded by a newer version")
	// ErrUnknownOutcome: the commit may or may not be stored. Repeat the same command id with Redelivered set.
	ErrUnknownOutcome = errors.New("outcome unknown")
	// ErrConflict: other writers won on this aggregate every time.
	ErrConflict = errors.New("too many conflicting writers")
	// ErrFull: the stream or its disk is full. Its server needs space, and a restart if it froze.
	ErrFull = errors.New("log takes no more")
	// ErrState: the state after a commit exceeds events.StateLimit.
	ErrState = errors.New("state is too large")
	// ErrLayout: the existing streams are not those of the configuration.
	ErrLayout = errors.New("streams of the log differ from the configuration")
	// ErrConfig: a Config, an Envelope or an argument is unusable.
	ErrConfig = errors.New("bad use of the log")
)

// Codes of the JetStream API that the log acts on. Texts change between versions, codes don't.
const (
	codeWrongLastSequence         jetstream.ErrorCode = 10071
	codeWrongLastSequenceConstant jetstream.ErrorCode = 10164 // replicated streams
	codeStoreFailed               jetstream.ErrorCode = 10077
	codeInsufficientResources     jetstream.ErrorCode = 10023
	codeStorageExceeded           jetstream.ErrorCode = 10047
	codeClusterNotAvailable       jetstream.ErrorCode = 10008
	codeClusterNotLeader          jetstream.ErrorCode = 10009
)

// hasCode reports whether err is a JetStream API error with one of the codes.
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

// isConflict reports whether another commit is stored, or on its way, at this one's place.
func isConflict(err error) bool {
	return hasCode(err, codeWrongLastSequence, codeWrongLastSequenceConstant)
}

func isFull(err error) bool {
	return hasCode(err, codeStoreFailed, codeInsufficientResources, codeStorageExceeded)
}

// isAway reports whether the request was certainly not served, because nobody received it.
func isAway(err error) bool {
	return errors.Is(err, nats.ErrNoResponders) || errors.Is(err, jetstream.ErrNoStreamResponse) ||
		errors.Is(err, nats.ErrReconnectBufExceeded) || hasCode(err, codeClusterNotAvailable, codeClusterNotLeader)
}

// isSilent reports whether a request may have been served although no answer came.
func isSilent(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || errors.Is(err, nats.ErrTimeout) ||
		errors.Is(err, nats.ErrDisconnected) || errors.Is(err, nats.ErrConnectionReconnecting)
}
