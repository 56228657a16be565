// Package found records what exists of an authority without its log knowing: certificates that were issued, and
// revocations that were published, after the copy was made from which a hub was restored. What is found is kept in the
// authority's own history and, once revoked, on its lists (RFC 5280 section 3.3).
package found

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"shomei/events"
	"shomei/pkg/dossier"
	"shomei/pkg/eventlog"
)

// Certificate is what an authority's history says about one serial number.
type Certificate struct {
	// Found is nil if only a list names the number.
	Found *events.CertificateFound `json:"-"`
	// RevokedMs is when it was revoked, by a list or by an officer; 0 if it is not.
	RevokedMs int64
	Reason    events.RevocationReason
	// SinceMs is since when the log has known of the revocation.
	SinceMs int64
	// NotAfterMs is until when it is listed; 0 if unknown.
	NotAfterMs int64
	// Listed: a list unknown to the log named it.
	Listed bool
}

// Open reports whether the certificate exists and nobody has revoked it.
func (c Certificate) Open() bool { return c.Found != nil && c.RevokedMs == 0 }

// Certificates are those of one authority, by serial.
type Certificates map[uint64]Certificate

// Take folds an event of the authority.
func (all Certificates) Take(e *events.Event) {
	switch b := events.BodyOf(e).(type) {
	case *events.CertificateFound:
		c := all[b.Serial]
		c.Found, c.NotAfterMs = b, b.NotAfterMs
		all[b.Serial] = c
	case *events.RevocationFound:
		c := all[b.Serial]
		c.Listed, c.RevokedMs, c.Reason, c.SinceMs = true, b.RevokedMs, b.Reason, e.RecordedMs
		all[b.Serial] = c
	case *events.FoundCertificateRevoked:
		c := all[b.Serial]
		if c.RevokedMs == 0 {
			c.RevokedMs, c.Reason, c.SinceMs = e.RecordedMs, b.Reason, e.RecordedMs
		}
		c.NotAfterMs = max(c.NotAfterMs, b.NotAfterMs)
		all[b.Serial] = c
	}
}

// Of folds an authority's history.
func Of(history []eventlog.Record) Certificates {
	all := make(Certificates)
	for _, r := range history {
		for _, e := range r.Commit.GetEvents() {
			all.Take(e)
		}
	}
	return all
}

// ErrRevoked: a certificate that was found is already revoked.
var ErrRevoked = errors.New("already revoked")

// Record records certificates of an authority that the log never issued, and returns how many are new.
func Record(ctx context.Context, log *eventlog.Log, authority string, env eventlog.Envelope, list []*events.CertificateFound) (int, error) {
	fresh := 0
	err := decide(ctx, log, authority, env, func(known Certificates, _ uint64) (decided []*events.Event, err error) {
		fresh = 0
		for _, c := range list {
			before := known[c.Serial]
			if before.Found != nil {
				continue
			}
			fresh++
			e := events.New(c)
			decided, known[c.Serial] = append(decided, e), Certificate{Found: c}
			if before.RevokedMs != 0 { // a list has named it before
				decided = append(decided, events.New(&events.FoundCertificateRevoked{
					Serial: c.Serial, Reason: before.Reason, NotAfterMs: c.NotAfterMs, Why: "it stands on a list",
				}))
			}
		}
		return decided, nil
	})
	if err != nil {
		return 0, fmt.Errorf("recording certificates of authority %s that were found: %w", authority, err)
	}
	return fresh, nil
}

// RecordRevocations records the revocations on a list that the log does not know yet.
func RecordRevocations(
	ctx context.Context,
	log *eventlog.Log,
	authority string,
	env eventlog.Envelope,
	list []*events.RevocationFound,
) error {
	err := decide(ctx, log, authority, env, func(known Certificates, _ uint64) (decided []*events.Event, err error) {
		for _, r := range list {
			before := known[r.Serial]
			if before.RevokedMs != 0 {
				continue
			}
			decided = append(decided, events.New(r))
			if before.Open() {
				decided = append(decided, events.New(&events.FoundCertificateRevoked{
					Serial: r.Serial, Reason: r.Reason, NotAfterMs: before.NotAfterMs, Why: "it stands on a list",
				}))
			}
		}
		return decided, nil
	})
	if err != nil {
		return fmt.Errorf("recording revocations of authority %s that were found: %w", authority, err)
	}
	return nil
}

// Revoke revokes a certificate that the log never issued, for an officer; one that nobody has found yet is recorded as
// found by the officer. The sealer is the authority's, and seals the officer's reason why. Errors: ErrRevoked.
func Revoke(
	ctx context.Context,
	log *eventlog.Log,
	sealer dossier.Sealer,
	env eventlog.Envelope,
	r *events.FoundCertificateRevoked,
	why string,
) error {
	authority := sealer.Subscriber
	err := decide(ctx, log, authority, env, func(known Certificates, revision uint64) (decided []*events.Event, err error) {
		before := known[r.Serial]
		if before.RevokedMs != 0 {
			return nil, fmt.Errorf("serial %d: %w at %s", r.Serial, ErrRevoked, time.UnixMilli(before.RevokedMs).UTC().Format(time.RFC3339))
		}
		if before.Found == nil {
			decided = append(decided, events.New(&events.CertificateFound{Serial: r.Serial, NotAfterMs: r.NotAfterMs, Source: "officer"}))
		}
		revoked := events.FoundCertificateRevoked{Serial: r.Serial, Reason: r.Reason, NotAfterMs: max(r.NotAfterMs, before.NotAfterMs)}
		sealer.Revision = revision
		if why != "" { // the order of two operators has it otherwise
			if revoked.SealedWhy, err = sealer.Remark(why); err != nil {
				return nil, err
			}
		}
		return append(decided, events.New(&revoked)), nil
	})
	if err != nil {
		return fmt.Errorf("revoking a certificate of authority %s that was found: %w", authority, err)
	}
	return nil
}

// errMoved: the history has grown since it was read.
var errMoved = errors.New("the history has moved on")

// decide stores what judge decides on an authority's history as one commit; judge gets its revision.
func decide(
	ctx context.Context,
	log *eventlog.Log,
	authority string,
	env eventlog.Envelope,
	judge func(Certificates, uint64) ([]*events.Event, error),
) error {
	for {
		history, err := log.History(ctx, events.KindAuthority, authority)
		if err != nil {
			return err
		}
		_, err = log.Update(ctx, events.KindAuthority, authority, env, func(h eventlog.Head) ([]*events.Event, error) {
			if h.Revision != uint64(len(history)) {
				return nil, errMoved
			}
			return judge(Of(history), h.Revision+1)
		})
		if !errors.Is(err, errMoved) {
			return err
		}
	}
}

// Batches splits a long list: a commit is one message of limited size.
func Batches[T any](list []T) iter.Seq[[]T] { return slices.Chunk(list, maxAtOnce) }

const maxAtOnce = 200
