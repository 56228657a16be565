package agent

import (
	"cmp"
	"crypto/x509"
	"slices"

	"shomei/events"
	"shomei/pkg/counterlink"
)

// toldAtOnce bounds the certificates in one claim: a few kilobytes each with the proof.
const toldAtOnce = 8

// afterMismatch notes that hub and counter disagree, and tells the hub what certificates went through here once an officer has
// settled it: the hub may be an older copy, which knows nothing of the newest. The hub drops what it knows.
func (c *Counter) afterMismatch(state counterlink.LinkState) {
	var err error
	switch {
	case state == counterlink.Mismatched && !c.untold.Swap(true):
		err = c.store.MarkDiffered()
	case state == counterlink.Up && c.untold.Load():
		if err = c.tellCertificates(); err == nil {
			c.untold.Store(false)
		}
	}
	if err != nil {
		c.cfg.Logger.Error("what was written on cards could not be noted for the hub, it is tried again at the next link-up", "error", err)
	}
}

// tellCertificates files the certificates of all commands in the journal, in one step.
func (c *Counter) tellCertificates() error {
	var claims []*events.Claim
	c.mu.Lock()
	certificates, proofs := c.journalled()
	c.mu.Unlock()
	for n := 0; n < len(certificates); n += toldAtOnce {
		end := min(n+toldAtOnce, len(certificates))
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
		return tx.told()
	})
}

// journalled gives what the journal knows of certificates that came to this counter, and the certificates; mu is held.
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
				continue // it was refused when it came
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
