package agent

import (
	"cmp"
	"crypto/x509"
	"slices"

	"shomei/events"
	"shomei/pkg/counterlink"
)

// certificatesPerClaim bounds the certificates in one claim, at a few kilobytes each with the proof.
const certificatesPerClaim = 8

// afterMismatch records a mismatch and, once an officer has settled it, reports all certificates in the journal: a hub restored
// from an old copy may lack the newest. The hub ignores those it knows.
func (c *Counter) afterMismatch(state counterlink.LinkState) {
	var err error
	switch {
	case state == counterlink.Mismatched && !c.unreported.Swap(true):
		err = c.store.MarkDiffered()
	case state == counterlink.Up && c.unreported.Load():
		if err = c.reportCertificates(); err == nil {
			c.unreported.Store(false)
		}
	}
	if err != nil {
		c.cfg.Logger.Error("certificates not reported after a mismatch, retrying at the next link-up", "error", err)
	}
}

// reportCertificates files the certificates of all commands in the journal, in one transaction.
func (c *Counter) reportCertificates() error {
	var claims []*events.Claim
	c.mu.Lock()
	certificates, proofs := c.journalled()
	c.mu.Unlock()
	for n := 0; n < len(certificates); n += certificatesPerClaim {
		end := min(n+certificatesPerClaim, len(certificates))
		claim := c.newClaim("", "", "")
		claim.Fact = &events.Claim_CertificatesTold{CertificatesTold: &events.CertificatesTold{Certificates: certificates[n:end]}}
		var err error
		if claim.Sealed, err = counterlink.SealPersonal(c.cfg.HubSealKey, claim.Id, &events.Personal{Certificates: proofs[n:end]}); err != nil {
			return err
		}
		claims = append(claims, claim)
	}
	return c.store.Record(func(tx *Tx) error {
		for _, claim := range claims {
			if err := tx.Claim(claim); err != nil {
				return err
			}
		}
		return tx.clearDiffered()
	})
}

// journalled returns the certificates in the journal, described and as DER; mu is held.
func (c *Counter) journalled() (list []*events.CertificateFound, proofs [][]byte) {
	var works []*work
	for _, p := range c.procedures {
		works = append(works, p.works...)
	}
	slices.SortFunc(works, func(a, b *work) int { return cmp.Compare(a.steps[StepReceived].AtMS, b.steps[StepReceived].AtMS) })
	for _, w := range works {
		d := w.down.GetWriteCertificates()
		for _, cert := range slices.Concat(d.GetCertificates(), w.down.GetInstallCertificates().GetCertificates()) {
			parsed, err := x509.ParseCertificate(cert.GetCertificate())
			if err != nil {
				continue // the counter could not write it either
			}
			_, written := w.steps[StepActivated]
			list = append(list, &events.CertificateFound{
				Serial: cert.GetSerial(), Kind: cert.GetKind(), CertificateSha256: events.Hash(cert.GetCertificate()), KeyId: parsed.AuthorityKeyId,
				NotBeforeMs: parsed.NotBefore.UnixMilli(), NotAfterMs: parsed.NotAfter.UnixMilli(), Card: d.GetCard(),
				Device: w.down.GetInstallCertificates().GetDevice(), Subscriber: w.down.GetSubscriber(), Written: written, Source: "counter",
			})
			proofs = append(proofs, cert.GetCertificate())
		}
	}
	return list, proofs
}
