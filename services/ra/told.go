package ra

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"

	"shomei/events"
	"shomei/pkg/ca"
	"shomei/pkg/directory"
	"shomei/pkg/eventlog"
	"shomei/pkg/found"
)

// told takes what a counter's journal says of certificates, after the hub turned out to be an older copy. What the log knows
// is dropped; the others are recorded with their authorities. A certificate counts when one of our authorities has signed it.
func (a *attempt) told(ctx context.Context, told *events.CertificatesTold) error {
	if len(told.Certificates) != len(a.personal.GetCertificates()) {
		return unfit("%d certificates are told, %d come with the claim", len(told.Certificates), len(a.personal.GetCertificates()))
	}
	unknown := make(map[string][]*events.CertificateFound)
	for i, c := range told.Certificates {
		authority, certificate, err := a.signedBy(ctx, a.personal.Certificates[i])
		if err != nil {
			return err
		}
		known, err := a.issued(ctx, c.Subscriber, certificate)
		if err != nil {
			return err
		}
		if !known {
			unknown[authority] = append(unknown[authority], foundOf(c, certificate))
		}
	}
	for authority, list := range unknown {
		env := a.envelope()
		env.CommandID += "/" + authority // one commit with each authority
		fresh, err := found.Record(ctx, a.Log, authority, env, list)
		if err != nil {
			return err
		}
		if fresh > 0 {
			a.Logger.Error("a counter holds certificates that the log never issued: the log is an older copy. shomei authority found lists them, shomei authority revoke ends them",
				"counter", a.claim.Counter, "authority", authority, "certificates", fresh)
		}
	}
	return nil
}

// signedBy reads a certificate and finds the authority that has signed it.
func (a *attempt) signedBy(ctx context.Context, der []byte) (authority string, certificate *x509.Certificate, err error) {
	if certificate, err = x509.ParseCertificate(der); err != nil {
		return "", nil, unfit("a certificate that is told can't be read: %v", err)
	}
	g, err := a.Directory.Generations().ByKeyID(certificate.AuthorityKeyId)
	if errors.Is(err, ca.ErrNoGeneration) {
		if err := a.Directory.Refresh(ctx, a.Log); err != nil {
			return "", nil, err
		}
		g, err = a.Directory.Generations().ByKeyID(certificate.AuthorityKeyId)
	}
	if err != nil {
		return "", nil, unfit("a certificate that is told is of no key that the log knows (%x): was a key ceremony held after the copy of the log was made?", certificate.AuthorityKeyId)
	}
	if err := certificate.CheckSignatureFrom(g.Certificate()); err != nil || !certificate.SerialNumber.IsUint64() {
		return "", nil, unfit("a certificate that is told was not signed by authority %s: %v", g, err)
	}
	return directory.AuthorityID(g.Kind, g.Prefecture.Code), certificate, nil
}

// issued reports whether a subscriber's history holds the issue of this very certificate.
func (a *attempt) issued(ctx context.Context, subscriber string, certificate *x509.Certificate) (bool, error) {
	if !events.ValidID(subscriber) {
		return false, nil
	}
	history, err := a.Log.History(ctx, events.KindSubscriber, subscriber)
	if err != nil && !eventlog.Unreadable(err) {
		return false, err
	}
	sum := events.Hash(certificate.Raw)
	for _, r := range history {
		for _, e := range r.Commit.GetEvents() {
			if b := e.GetCertificateIssued(); b.GetSerial() == certificate.SerialNumber.Uint64() && bytes.Equal(b.GetCertificateSha256(), sum) {
				return true, nil
			}
		}
	}
	return false, nil
}

// foundOf is what is recorded: what the certificate proves, and where the counter says that it is.
func foundOf(c *events.CertificateFound, certificate *x509.Certificate) *events.CertificateFound {
	id := func(text string) string { // anything else says nothing, and might be a name
		if events.ValidID(text) {
			return text
		}
		return ""
	}
	return &events.CertificateFound{
		Serial: certificate.SerialNumber.Uint64(), Kind: c.Kind, CertificateSha256: events.Hash(certificate.Raw), KeyId: certificate.AuthorityKeyId,
		NotBeforeMs: certificate.NotBefore.UnixMilli(), NotAfterMs: certificate.NotAfter.UnixMilli(), Card: id(c.Card), Device: id(c.Device),
		Subscriber: id(c.Subscriber), Written: c.Written, Source: "counter",
	}
}
