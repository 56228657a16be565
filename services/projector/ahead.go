package projector

import (
	"context"
	"strings"
	"time"

	"shomei/events"
	"shomei/pkg/eventlog"
	"shomei/pkg/found"
	"shomei/pkg/warehouse"
)

// Outside is what the tables know of each authority and the log does not: the log is an older copy than the tables.
type Outside struct {
	Certificates map[string][]*events.CertificateFound
	Revocations  map[string][]*events.RevocationFound
}

// Ahead reports whether the tables are ahead of the log, and what they know beyond it. They must be rebuilt then: the
// log reuses the same sequences for something else.
func (p *Projector) Ahead(ctx context.Context, ends eventlog.Positions) (bool, Outside, error) {
	at, err := p.Warehouse.LookAtPositions(ctx)
	if err != nil {
		return false, Outside{}, err
	}
	for stream, position := range at {
		if position > ends[stream] {
			out, err := p.outside(ctx)
			return true, out, err
		}
	}
	return false, Outside{}, nil
}

func (p *Projector) outside(ctx context.Context) (Outside, error) {
	out := Outside{make(map[string][]*events.CertificateFound), make(map[string][]*events.RevocationFound)}
	issued, revoked := make(map[uint64]bool), make(map[uint64]bool)
	err := p.Log.Scan(ctx, nil, nil, func(r eventlog.Record, _ error) error {
		known := make(found.Certificates)
		for _, e := range r.Commit.GetEvents() {
			known.Take(e)
			for _, t := range events.Transitions(e) {
				issued[t.Serial] = issued[t.Serial] || t.Status == events.CertificateStatus_CERTIFICATE_STATUS_ISSUED
				revoked[t.Serial] = revoked[t.Serial] || t.Status == events.CertificateStatus_CERTIFICATE_STATUS_REVOKED
			}
		}
		for serial, c := range known {
			issued[serial], revoked[serial] = issued[serial] || c.Found != nil, revoked[serial] || c.RevokedMs != 0
		}
		return nil
	})
	if err != nil {
		return out, err
	}
	err = p.Warehouse.EachCertificate(ctx, forEver, func(c warehouse.Certificate) error {
		if c.Authority == "" || c.Issued.IsZero() {
			return nil // not signed, or found before
		}
		if !issued[c.Serial] {
			out.Certificates[c.Authority] = append(out.Certificates[c.Authority], &events.CertificateFound{
				Serial: c.Serial, Kind: kindOf(c.Kind), NotBeforeMs: millis(c.NotBefore), NotAfterMs: millis(c.NotAfter),
				Card: c.Card, Device: c.Device,
				Subscriber: c.Subscriber, Written: !c.Written.IsZero(), Source: "tables",
			})
		}
		if !c.Revoked.IsZero() && !revoked[c.Serial] {
			out.Revocations[c.Authority] = append(out.Revocations[c.Authority], &events.RevocationFound{
				Serial: c.Serial, RevokedMs: millis(c.Revoked), Reason: reasonOf(c.Reason),
			})
		}
		return nil
	})
	return out, err
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// forEver is after every milestone.
var forEver = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)

func kindOf(word string) events.CertificateKind {
	if word == "sign" {
		return events.CertificateKind_CERTIFICATE_KIND_SIGN
	}
	return events.CertificateKind_CERTIFICATE_KIND_AUTH
}

// reasonOf returns the log's reason for a word of the tables.
func reasonOf(word string) events.RevocationReason {
	name := strings.ToUpper(strings.ReplaceAll(word, "-", "_"))
	for _, prefix := range []string{"REVOCATION_REASON_", "REVOCATION_REASON_CRL_"} {
		if reason := events.RevocationReason_value[prefix+name]; reason != 0 {
			return events.RevocationReason(reason)
		}
	}
	return events.RevocationReason_REVOCATION_REASON_CRL_UNSPECIFIED
}
