package hub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"shomei/events"
	"shomei/pkg/directory"
	"shomei/pkg/dossier"
	"shomei/pkg/eventlog"
	"shomei/pkg/found"
	"shomei/pkg/lifecycle"
	"shomei/pkg/order"
)

// compareTables checks whether the tables hold more than the log. The log is an older copy then: what the tables know
// of certificates is kept in the log, and they are made anew.
func (p *Parts) compareTables(ctx context.Context) error {
	ahead, outside, err := p.Projector.Ahead(ctx, p.tables.began)
	if err != nil || !ahead {
		return err
	}
	certificates, revocations := 0, 0
	for authority, list := range outside.Certificates {
		for batch := range found.Batches(list) {
			fresh, err := found.Record(ctx, p.as(eventlog.RoleOperator), authority, p.envelope(), batch)
			if err != nil {
				return err
			}
			certificates += fresh
		}
	}
	for authority, list := range outside.Revocations {
		revocations += len(list)
		for batch := range found.Batches(list) {
			if err := found.RecordRevocations(ctx, p.as(eventlog.RoleOperator), authority, p.envelope(), batch); err != nil {
				return err
			}
		}
	}
	p.Logger.Error("the tables know more than the log: the log is an older copy. What they know of certificates is kept, and they are made anew; see the runbook, Restore",
		"certificates unknown to the log", certificates, "revocations unknown to the log", revocations)
	return nil
}

// foundSettled fails while certificates exist outside the log that no officer has revoked.
func (p *Parts) foundSettled(ctx context.Context) error {
	open := 0
	for _, id := range p.authorities() {
		head, err := p.Log.Load(ctx, events.KindAuthority, id)
		if err != nil {
			return err
		}
		state, err := lifecycle.DecodeAuthority(head.State)
		if err != nil {
			return err
		}
		open += int(state.Found) - int(state.FoundRevoked)
	}
	if open > 0 {
		return fmt.Errorf("%d certificates exist that the log never issued, and nobody has revoked them: the log is an older copy", open)
	}
	return nil
}

// FoundCertificate is a certificate that exists outside the log.
type FoundCertificate struct {
	Authority  string    `json:"authority"`
	Serial     string    `json:"serial"`
	Kind       string    `json:"kind"`
	Subscriber string    `json:"subscriber"`
	Card       string    `json:"card"`
	Device     string    `json:"device,omitempty"`
	NotAfter   time.Time `json:"not_after,omitzero"`
	Written    bool      `json:"written"`
	Source     string    `json:"source"`
	Revoked    time.Time `json:"revoked,omitzero"`
}

// FoundCertificates lists what exists of every authority outside the log, open and revoked.
func (p *Parts) FoundCertificates(ctx context.Context) ([]FoundCertificate, error) {
	var list []FoundCertificate
	for _, id := range p.authorities() {
		history, err := p.Log.History(ctx, events.KindAuthority, id)
		if err != nil {
			return nil, err
		}
		for serial, c := range found.Of(history) {
			list = append(list, foundCertificate(id, serial, c))
		}
	}
	slices.SortFunc(list, func(a, b FoundCertificate) int {
		return cmp.Or(strings.Compare(a.Authority, b.Authority), a.Revoked.Compare(b.Revoked), strings.Compare(a.Serial, b.Serial))
	})
	return list, nil
}

func foundCertificate(authority string, serial uint64, c found.Certificate) FoundCertificate {
	out := FoundCertificate{
		Authority: authority, Serial: events.FormatSerial(serial), Subscriber: c.Found.GetSubscriber(), Card: c.Found.GetCard(),
		Device: c.Found.GetDevice(), Written: c.Found.GetWritten(), Source: cmp.Or(c.Found.GetSource(), "list"),
	}
	switch c.Found.GetKind() {
	case events.CertificateKind_CERTIFICATE_KIND_SIGN:
		out.Kind = "sign"
	case events.CertificateKind_CERTIFICATE_KIND_AUTH:
		out.Kind = "auth"
	}
	if c.NotAfterMs != 0 {
		out.NotAfter = time.UnixMilli(c.NotAfterMs).UTC()
	}
	if c.RevokedMs != 0 {
		out.Revoked = time.UnixMilli(c.RevokedMs).UTC()
	}
	return out
}

// authorities returns the authorities that the log knows.
func (p *Parts) authorities() []string {
	var ids []string
	for _, g := range p.Directory.Generations() {
		if id := directory.AuthorityID(g.Kind, g.Prefecture.Code); !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// FoundRevocation is an officer's order to revoke a certificate that the log never issued.
type FoundRevocation struct {
	// Serial is a serial number as events.ParseSerial reads it.
	Serial string `json:"serial"`
	// Reason is superseded, key-compromise, ca-compromise, affiliation-changed, cessation-of-operation or unspecified.
	Reason string `json:"reason"`
	// Why stays in the log for good, sealed.
	Why string `json:"why"`
}

// RevokeFound revokes a certificate that the log never issued. It is on its authority's next list, within a minute. Where it takes two
// operators, it is only asked for, and the order that waits is returned.
func (o Operator) RevokeFound(ctx context.Context, authority string, r FoundRevocation) (*order.Order, error) {
	revocation, err := o.foundRevocation(ctx, authority, r)
	if err != nil {
		return nil, err
	}
	alone, err := o.alone()
	if err != nil {
		return nil, err
	}
	if !alone {
		asked, err := o.ask(ctx, &events.OrderAsked{
			Act: string(order.FoundRevocation), Target: events.KindAuthority + "/" + authority,
			What: &events.OrderAsked_FoundRevocation{FoundRevocation: revocation},
		}, "--why", r.Why)
		return &asked, err
	}
	sealer := dossier.Sealer{Vault: o.hub.sealed, Subscriber: authority}
	err = found.Revoke(ctx, o.hub.as(eventlog.RoleOperator), sealer, o.envelope(), revocation, r.Why)
	if errors.Is(err, found.ErrRevoked) {
		return nil, refuse("%v", err)
	}
	return nil, err
}

// foundRevocation checks an order to revoke a certificate that the log never issued.
func (o Operator) foundRevocation(ctx context.Context, authority string, r FoundRevocation) (*events.FoundCertificateRevoked, error) {
	serial, err := events.ParseSerial(r.Serial)
	switch {
	case err != nil:
		return nil, refuse("%v", err)
	case !slices.Contains(o.hub.authorities(), authority):
		return nil, refuse("there is no authority %.40q: there are %s", authority, strings.Join(o.hub.authorities(), ", "))
	}
	reason, ok := foundReasons[r.Reason]
	if !ok {
		return nil, refuse("%.40q is not a reason: the reasons are %s", r.Reason, strings.Join(slices.Sorted(maps.Keys(foundReasons)), ", "))
	}
	if err := checkRemark("--why", r.Why); err != nil {
		return nil, err
	}
	holder, err := o.hub.issuedTo(ctx, serial)
	if err != nil {
		return nil, err
	}
	if _, closed := o.hub.Directory.Closed()[events.KindSubscriber+"/"+holder]; holder != "" && !closed {
		return nil, refuse("the log has issued serial %d to subscriber %s: shomei report order revokes it", serial, holder)
	}
	return &events.FoundCertificateRevoked{Serial: serial, Reason: reason}, nil
}

var foundReasons = map[string]events.RevocationReason{
	"unspecified": events.RevocationReason_REVOCATION_REASON_CRL_UNSPECIFIED, "key-compromise": events.RevocationReason_REVOCATION_REASON_KEY_COMPROMISE,
	"ca-compromise": events.RevocationReason_REVOCATION_REASON_CA_COMPROMISE, "superseded": events.RevocationReason_REVOCATION_REASON_SUPERSEDED,
	"affiliation-changed":    events.RevocationReason_REVOCATION_REASON_AFFILIATION_CHANGED,
	"cessation-of-operation": events.RevocationReason_REVOCATION_REASON_CESSATION_OF_OPERATION,
}
