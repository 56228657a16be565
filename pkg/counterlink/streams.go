package counterlink

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"shomei/events"
)

// Names of the streams of this package. Nothing else writes to them.
const (
	// ClaimStream holds what counters sent, for [Retention].
	ClaimStream = "CLAIMS"
	// CommandStream holds what was sent to counters, for [Retention].
	CommandStream = "COMMANDS"
	// HeadStream holds, for each counter, the last claim accepted from it and the last command it received; it never
	// ages.
	HeadStream = "CLAIM_HEADS"
)

// Retention is how long claims and commands stay in their streams; they hold personal data, sealed.
const Retention = 30 * 24 * time.Hour

const (
	claimPrefix   = "shomei.counter."
	commandPrefix = "shomei.command."
	headPrefix    = "shomei.claimhead."
	takenPrefix   = "shomei.commandhead."
	helloSuffix   = ".head"
	repeatWindow  = 10 * time.Minute
	consumerName  = "claims"
)

// ClaimSubject is where a counter publishes its claims.
func ClaimSubject(counter string) string { return claimPrefix + counter }

// CommandSubject is where the hub publishes for a counter.
func CommandSubject(counter string) string { return commandPrefix + counter }

// HelloSubject is where a counter asks for the hub's head. No stream holds it.
func HelloSubject(counter string) string { return claimPrefix + counter + helloSuffix }

// CounterMayPublish lists the subjects that a counter's NATS user may publish to: its claims and those of its link.
// Only the gate listens there.
func CounterMayPublish(counter string) []string {
	return []string{ClaimSubject(counter), ClaimSubject(counter) + ".*"}
}

// CounterMaySubscribe lists the subjects that a counter's NATS user may subscribe to: its commands and its own inbox.
func CounterMaySubscribe(counter string) []string {
	return []string{CommandSubject(counter), InboxPrefix(counter) + ".>"}
}

// MaxMessage bounds a counter's message in bytes, MaxSubscriptions the number of its subscriptions.
const (
	MaxMessage       = events.MaxStored + 64<<10
	MaxSubscriptions = 16
)

// GateMayPublish lists the subjects that the gate's user in the counters' account may publish to: answers and commands.
func GateMayPublish() []string { return []string{"_INBOX.*.>", commandPrefix + "*"} }

// GateMaySubscribe lists the subjects that the gate's user may subscribe to: everything that counters send.
func GateMaySubscribe() []string { return []string{claimPrefix + "*", claimPrefix + "*.*"} }

// HubMayPublish lists the subjects of this package that the hub's user in the log's account publishes to.
func HubMayPublish() []string {
	return []string{claimPrefix + "*", commandPrefix + "*", headPrefix + "*", takenPrefix + "*", "$JS.ACK." + ClaimStream + "." + consumerName + ".>"}
}

// Streams lists the names of the streams of this package.
func Streams() []string { return []string{ClaimStream, CommandStream, HeadStream} }

// SenderMayPublish lists the subjects on which a process that only sends to counters stores what it sends.
func SenderMayPublish() []string { return []string{commandPrefix + "*"} }

// SourceMayPublish lists the subjects on which sources other than counters store what they report.
func SourceMayPublish() []string { return []string{claimPrefix + "*"} }

// InboxPrefix is the prefix of a counter's inbox (nats.CustomInboxPrefix), which other counters can't see.
func InboxPrefix(counter string) string { return "_INBOX." + counter }

// StreamLimits bounds the streams and sets their replicas.
type StreamLimits struct {
	// Replicas is 1 on one machine, 3 in a cluster; 0: 1.
	Replicas int
	// MaxBytes bounds CLAIMS and COMMANDS each; full streams refuse, and never delete what has not aged. 0: 1 GiB, or
	// less if Store is small.
	MaxBytes int64
	// Store is how much the server may store in all, in bytes; 0: no matter.
	Store int64
}

// Share returns how many bytes one stream of the link may hold in a store of that size: an eighth, at most 1 GiB. The
// server reserves them even if the stream is empty. A stream that already holds more, since before the disk shrank,
// gets a quarter more.
func Share(store, holds int64) int64 { return max(min(store/8, 1<<30), holds+holds/4) }

// fit returns the limits for a stream as it is now.
func (l StreamLimits) fit(ctx context.Context, js jetstream.JetStream, name string) (int64, error) {
	if l.MaxBytes > 0 {
		return l.MaxBytes, nil
	}
	if l.Store == 0 {
		return 1 << 30, nil
	}
	held, err := js.Stream(ctx, name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return Share(l.Store, 0), nil
	}
	if err != nil {
		return 0, err
	}
	return Share(l.Store, int64(held.CachedInfo().State.Bytes)), nil
}

func (l StreamLimits) config(name string, subjects ...string) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: name, Subjects: subjects, Storage: jetstream.FileStorage,
		Replicas: max(l.Replicas, 1), MaxAge: Retention, Duplicates: repeatWindow,
		Discard: jetstream.DiscardNew, DenyDelete: true, DenyPurge: true,
		// No header of a message may affect other messages.
		AllowRollup: false, AllowMsgTTL: false, AllowMsgCounter: false, AllowAtomicPublish: false, AllowMsgSchedules: false,
		AllowBatchPublish: false, AllowDirect: false,
	}
}

// EnsureStreams creates the three streams, or updates their limits. It takes a connection of the set-up user, before
// anything is published; the hub's own user has no right to.
func EnsureStreams(ctx context.Context, conn *nats.Conn, limits StreamLimits) error {
	js, err := jetstream.New(conn)
	if err != nil {
		return fmt.Errorf("making the streams of claims and commands: %w", err)
	}
	heads := limits.config(HeadStream, headPrefix+"*", takenPrefix+"*")
	heads.MaxAge, heads.MaxMsgsPerSubject, heads.Discard, heads.DenyPurge = 0, 1, jetstream.DiscardOld, false
	for _, cfg := range []jetstream.StreamConfig{
		limits.config(ClaimStream, claimPrefix+"*"), limits.config(CommandStream, commandPrefix+"*"), heads,
	} {
		if cfg.MaxBytes, err = limits.fit(ctx, js, cfg.Name); err == nil {
			_, err = js.CreateOrUpdateStream(ctx, cfg)
		}
		if err != nil {
			return fmt.Errorf("making the stream %s: %w", cfg.Name, err)
		}
	}
	return nil
}
