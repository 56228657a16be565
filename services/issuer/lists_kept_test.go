package issuer

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"testing"
	"time"

	"shomei/events"
	"shomei/pkg/ca"
)

// A revocation whose commit is lost to damage stays on the list. What the log still knows, and lifted holds, are not
// kept twice.
func TestListedRevocationSurvivesALostCommit(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	check(t, err)
	plans, err := ca.Plans(ca.Sign, "")
	check(t, err)
	tbs, err := ca.BuildAuthorityTBS(plans[2], 1, &key.PublicKey)
	check(t, err)
	g, err := ca.SelfSign(plans[2], key, tbs)
	check(t, err)
	now := time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)
	revoked := func(serial uint64, reason ca.Reason) ca.Revocation {
		return ca.Revocation{Serial: serial, RevokedAt: now.Add(-time.Hour), Reason: reason}
	}
	der, err := ca.BuildCRL(key, ca.CRLInput{
		Generation: g, Number: 1, ThisUpdate: now, NextUpdate: now.Add(ca.CRLPeriod),
		Entries: []ca.Revocation{revoked(7, 0), revoked(8, ca.CertificateHold), revoked(9, 0)},
	})
	check(t, err)
	crl, err := x509.ParseRevocationList(der)
	check(t, err)

	l := newLists()
	l.add("somebody", "sign", 7, now.UnixMilli(), 0)
	l.add("somebody", "sign", 8, now.UnixMilli(), ca.CertificateHold)
	l.release("sign", 8, now.UnixMilli())
	missing := make(map[uint64]*events.RevocationFound)
	l.missing("sign", crl, missing)
	if len(missing) != 1 || missing[9].GetList() != 1 {
		t.Errorf("missing %v, want 9", missing)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
