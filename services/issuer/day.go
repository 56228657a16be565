package issuer

import (
	"context"
	"errors"
	"slices"

	"shomei/events"
	"shomei/pkg/ca"
	"shomei/pkg/civil"
	"shomei/pkg/directory"
	"shomei/pkg/regime"
)

// RunDays does what days bring the authorities until ctx ends.
func (i *Issuer) RunDays(ctx context.Context) error { return i.Days.Follow(ctx, i.Day) }

// Day does what dates and revocations have brought the authorities: keys go into service, and lists are published. Each is
// done whatever becomes of the other.
func (i *Issuer) Day(ctx context.Context) error {
	return errors.Join(i.HoldDueCeremonies(ctx), i.PublishDue(ctx, i.Lists))
}

// HoldDueCeremonies puts the keys of every authority into service whose time has come.
func (i *Issuer) HoldDueCeremonies(ctx context.Context) error {
	return i.HoldCeremonies(ctx, i.prefectures())
}

// prefectures are those that have an office; none once the juki regime and its run-off are over.
func (i *Issuer) prefectures() (codes []string) {
	if civil.Of(i.Clock()).After(regime.JukiRunOffDay) {
		return nil
	}
	for _, o := range i.Directory.Offices() {
		kind, p := directory.AuthorityOf(events.Regime_REGIME_JUKI, events.CertificateKind_CERTIFICATE_KIND_SIGN, o.Municipality)
		if kind == ca.Juki && !slices.Contains(codes, p) {
			codes = append(codes, p)
		}
	}
	return codes
}
