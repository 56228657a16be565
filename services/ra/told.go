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

// told handles the certificates in a counter's journal after the hub turned out to be an older copy. Those the log
// knows are dropped; the others are recorded with their authorities, if one of them signed.
func (a *attempt) told(ctx context.Context, told *events.CertificatesTold) error {
	if len(told.Certificates) != len(a.personal.GetCertificates()) {
		return unfit("%d certificates are reported, %d come with the claim", len(told.Certificates), len(a.personal.GetCertificates()))
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
		env.CommandID += "/" + authority // one commit for each authority
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

// signedBy parses a certificate and returns the authority that signed it.
func (a *attempt) signedBy(ctx context.Context, der []byte) (authority string, certificate *x509.Certificate, err error) {
	if certificate, err = x509.ParseCertificate(der); err != nil {
		return "", nil, unfit("a reported certificate can't be read: %v", err)
	}
	g, err := a.Directory.Generations().ByKeyID(certificate.AuthorityKeyId)
	if errors.Is(err, ca.ErrNoGeneration) {
		if err := a.Directory.Refresh(ctx, a.Log); err != nil {
			return "", nil, err
		}
		g, err = a.Directory.Generations().ByKeyID(certificate.AuthorityKeyId)
	}
	if err != nil {
		return "", nil, unfit("the log does not know the key of a reported certificate (%x): was a key ceremony held after the copy of the log was made?", certificate.AuthorityKeyId)
	}
	if err := certificate.CheckSignatureFrom(g.Certificate()); err != nil || !certificate.SerialNumber.IsUint64() {
		return "", nil, unfit("a reported certificate was not signed by authority %s: %v", g, err)
	}
	return directory.AuthorityID(g.Kind, g.Prefecture.Code), certificate, nil
}

// issued reports whether a subscriber's history has the issue of this very certificate.
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

// foundOf returns what is recorded: what the certificate proves, and where the counter says it is.
func foundOf(c *events.CertificateFound, certificate *x509.Certificate) *events.CertificateFound {
	id := func(text string) string { // anything else might be a name
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
