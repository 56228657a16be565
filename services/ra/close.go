package ra

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/dossier"
	"shomei/pkg/eventlog"
	"shomei/pkg/found"
	"shomei/pkg/lifecycle"
	"shomei/pkg/order"
)

// closeLost ends an aggregate that lost commits which no copy holds. Its chain is broken, so nothing is appended to it: the order is its
// tombstone. Certificates that may be alive by what is left of it are put on the revocation lists, because nothing could end them any
// more; their serials are returned.
func (r *RA) closeLost(ctx context.Context, o order.Order, kind, id string) (revoked []uint64, err error) {
	if !r.stillLost(o, kind, id) {
		return nil, &notDone{why: "what is lost of it is not what the order says: look at it with shomei log repair, and ask anew"}
	}
	if kind != events.KindSubscriber {
		return nil, nil
	}
	records, err := r.Log.Readable(ctx, kind, id)
	if err != nil {
		return nil, err
	}
	alive := aliveIn(records, civil.Of(r.Clock()))
	for _, serial := range slices.Sorted(maps.Keys(alive)) {
		env := by(o)
		env.CommandID = fmt.Sprintf("%s/%d", env.CommandID, serial)
		sealer := dossier.Sealer{Vault: r.Vault, Subscriber: alive[serial].authority}
		err := found.Revoke(ctx, r.Log, sealer, env, &events.FoundCertificateRevoked{
			Serial: serial, Reason: events.RevocationReason_REVOCATION_REASON_CRL_UNSPECIFIED, NotAfterMs: alive[serial].notAfterMs,
		}, "")
		if err != nil && !errors.Is(err, found.ErrRevoked) {
			return nil, err
		}
		revoked = append(revoked, serial)
	}
	return revoked, nil
}

// stillLost reports whether exactly those commits of the aggregate are lost that the order names.
func (r *RA) stillLost(o order.Order, kind, id string) bool {
	var lost []string
	for _, p := range r.Log.Parked() {
		if p.Kind == kind && p.ID == id {
			lost = append(lost, fmt.Sprint(p.Stream, p.Sequence))
		}
	}
	var named []string
	for _, l := range o.Asked.GetClosing().GetLost() {
		named = append(named, fmt.Sprint(l.Stream, l.Sequence))
	}
	slices.Sort(lost)
	slices.Sort(named)
	return len(lost) > 0 && slices.Equal(lost, named)
}

// possible is a certificate that may be alive.
type possible struct {
	authority  string
	lastDay    string
	notAfterMs int64
}

// aliveIn returns the certificates that nothing readable has ended: those of each commit, and those of the states that commits carry,
// which know what a lost commit before them has brought.
func aliveIn(records []eventlog.Record, today civil.Date) map[uint64]possible {
	alive, ended := make(map[uint64]possible), make(map[uint64]bool)
	for _, r := range records {
		for _, e := range r.Commit.GetEvents() {
			switch b := events.BodyOf(e).(type) {
			case *events.IssueAuthorized:
				alive[b.Serial] = possible{b.Authority, b.LastDay, b.NotAfterMs}
			case *events.CertificateRevoked:
				ended[b.Serial] = true
			case *events.CertificateExpired:
				ended[b.Serial] = true
			case *events.CertificateDiscarded:
				ended[b.Serial] = true
			case *events.IssueAbandoned:
				ended[b.Serial] = true
			}
		}
		carriedBy(r, alive, ended)
	}
	maps.DeleteFunc(alive, func(serial uint64, p possible) bool {
		last, err := civil.Parse(p.lastDay)
		return ended[serial] || err == nil && !last.IsZero() && last.Before(today)
	})
	return alive
}

// carriedBy takes the certificates of the state that a commit carries.
func carriedBy(r eventlog.Record, alive map[uint64]possible, ended map[uint64]bool) {
	version, raw, err := r.State()
	if err != nil || version != lifecycle.FoldVersion || r.Role != eventlog.RoleRA && r.Role != eventlog.RoleHub {
		return
	}
	state, err := lifecycle.DecodeSubscriber(raw)
	if err != nil {
		return
	}
	for _, c := range state.GetCertificates() {
		switch c.Status {
		case events.CertificateStatus_CERTIFICATE_STATUS_AUTHORIZED, events.CertificateStatus_CERTIFICATE_STATUS_ISSUED,
			events.CertificateStatus_CERTIFICATE_STATUS_VALID, events.CertificateStatus_CERTIFICATE_STATUS_SUSPENDED:
			if _, known := alive[c.Serial]; !known {
				alive[c.Serial] = possible{c.Authority, c.LastDay, 0}
			}
		default:
			ended[c.Serial] = true
		}
	}
}
