package ra_test

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"shomei/events"
	"shomei/pkg/ca"
	"shomei/pkg/ca/keyfile"
	"shomei/pkg/eventlog"
	"shomei/pkg/found"
	"shomei/services/servicetest"
)

// lostCertificate returns one that an authority signed but the log does not know.
func lostCertificate(t *testing.T, w *servicetest.World, authority string, serial uint64) []byte {
	t.Helper()
	generations := w.Directory.Generations()
	g := generations[slices.IndexFunc(generations, func(g *ca.Generation) bool { return string(g.Kind) == authority })]
	signer, err := keyfile.Open(nil, filepath.Join(w.Dir, "ca", fmt.Sprintf("%s-%02d.key", authority, g.Number)))
	servicetest.Check(t, err)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: new(big.Int).SetUint64(serial), Subject: pkix.Name{CommonName: "lost"}, NotBefore: w.Clock.Now(),
		NotAfter: w.Clock.Now().AddDate(5, 0, 0), AuthorityKeyId: g.KeyID,
	}, g.Certificate(), servicetest.CardKey(w, 0).Public(), signer)
	servicetest.Check(t, err)
	return der
}

// tells returns a claim with certificates and their sealed proofs.
func tells(d *servicetest.Desk, subscriber string, proofs ...[]byte) *events.Claim {
	told := &events.CertificatesTold{}
	for range proofs {
		told.Certificates = append(told.Certificates, &events.CertificateFound{Kind: sign, Card: "山田 太郎", Subscriber: subscriber, Written: true})
	}
	return d.Claim("", "", func(c *events.Claim) { c.Fact = &events.Claim_CertificatesTold{CertificatesTold: told} }, &events.Personal{Certificates: proofs})
}

// Our certificates unknown to the log are recorded with their authorities, once; known ones are dropped, and
// certificates not signed by us are not believed.
func TestReportedUnknownCertificatesAreRecorded(t *testing.T) {
	w := servicetest.New(t, morning)
	d, telephone := w.Enrol(servicetest.Office, "c1", "counter"), w.Enrol(servicetest.Office, "phone", "telephone")
	l := d.Hold("100")
	for _, kind := range []events.CertificateKind{sign, auth} {
		d.Decide(tells(d, l.Subscriber, l.Certificate(l.Serial(kind))))
	}
	if n := w.CountAuthority("sign", "CertificateFound") + w.CountAuthority("auth", "CertificateFound"); n != 0 {
		t.Errorf("%d certificates of the log itself were recorded", n)
	}
	const serial = uint64(1)<<63 + 1
	lost := lostCertificate(t, w, "sign", serial)
	claim := tells(d, l.Subscriber, lost, lostCertificate(t, w, "auth", serial+1))
	for range 2 {
		d.Decide(claim)
		d.Decide(tells(d, l.Subscriber, lost)) // by another claim
	}
	history := w.History(events.KindAuthority, "sign")
	found := history[len(history)-1].Commit.Events[0].GetCertificateFound()
	if w.CountAuthority("sign", "CertificateFound") != 1 || w.CountAuthority("auth", "CertificateFound") != 1 || found.GetSerial() != serial ||
		found.Subscriber != l.Subscriber || found.Card != "" || time.UnixMilli(found.NotAfterMs).Year() != w.Clock.Now().Year()+5 {
		t.Errorf("found: %v", found)
	}
	if len(w.Quarantined()) > 0 {
		t.Fatalf("quarantined: %q", w.Quarantined())
	}

	forged := slices.Clone(lost)
	forged[len(forged)-1] ^= 1
	d.Decide(tells(d, l.Subscriber, forged))
	d.Decide(tells(d, l.Subscriber, []byte("nothing")))
	unproved := tells(d, l.Subscriber, lost)
	unproved.Sealed = nil
	d.Decide(unproved)
	telephone.Decide(tells(telephone, l.Subscriber, lost))
	why := strings.Join(w.Quarantined(), "\n")
	for _, want := range []string{"was not signed by authority", "can't be read", "0 come with the claim", "a telephone may not claim"} {
		if !strings.Contains(why, want) {
			t.Errorf("no claim was refused because of %q: %s", want, why)
		}
	}
	if n := w.CountAuthority("sign", "CertificateFound"); n != 1 {
		t.Errorf("%d certificates were recorded", n)
	}
}

// TestALostCertificateThatStandsOnAListIsEnded: whichever comes first, what a counter tells of it or the list, each service
// may record what follows.
func TestALostCertificateThatStandsOnAListIsEnded(t *testing.T) {
	w := servicetest.New(t, morning)
	d := w.Enrol(servicetest.Office, "c1", "counter")
	l := d.Hold("100")
	const listed, told = uint64(1)<<63 + 1, uint64(1)<<63 + 2
	w.Record(events.KindAuthority, "sign", &events.RevocationFound{Serial: listed, RevokedMs: w.Clock.Now().UnixMilli()})
	d.Decide(tells(d, l.Subscriber, lostCertificate(t, w, "sign", listed)))

	d.Decide(tells(d, l.Subscriber, lostCertificate(t, w, "sign", told)))
	err := found.RecordRevocations(t.Context(), w.As(eventlog.RoleIssuer), "sign", eventlog.Envelope{CommandID: "list"},
		[]*events.RevocationFound{{Serial: told, RevokedMs: w.Clock.Now().UnixMilli()}})
	servicetest.Check(t, err)
	if found, ended := w.CountAuthority("sign", "CertificateFound"), w.CountAuthority("sign", "FoundCertificateRevoked"); found != 2 || ended != 2 {
		t.Errorf("%d certificates are found, %d ended", found, ended)
	}
	if len(w.Quarantined()) > 0 {
		t.Errorf("quarantined: %q", w.Quarantined())
	}
}
