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

// RunDays does what is due for the authorities until ctx ends.
func (i *Issuer) RunDays(ctx context.Context) error { return i.Days.Follow(ctx, i.Day) }

// Day puts due keys into service and publishes due lists, each even if the other fails.
func (i *Issuer) Day(ctx context.Context) error {
	return errors.Join(i.HoldDueCeremonies(ctx), i.PublishDue(ctx, i.Lists))
}

// HoldDueCeremonies puts the due keys of every authority into service.
func (i *Issuer) HoldDueCeremonies(ctx context.Context) error {
	return i.HoldCeremonies(ctx, i.prefectures())
}

// prefectures returns those with an office; none after the run-off of the juki regime.
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
