package issuer

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"

	"shomei/pkg/ca"
)

// A revocation whose commit is lost to damage stays on the list: what was published once is not taken back. What the log
// still knows, and a hold that was lifted, are not kept twice.
func TestWhatWasListedStaysWhenACommitIsLost(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	check(t, err)
	plans, err := ca.Plans(ca.Sign, "")
	check(t, err)
	tbs, err := ca.BuildAuthorityTBS(plans[2], 1, &key.PublicKey)
	check(t, err)
	g, err := ca.SelfSign(plans[2], key, tbs)
	check(t, err)
	now := time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)
	revoked := func(serial uint64) ca.Revocation {
		return ca.Revocation{Serial: serial, RevokedAt: now.Add(-time.Hour), Expires: now.AddDate(1, 0, 0)}
	}
	der, err := ca.BuildCRL(key, ca.CRLInput{
		Generation: g, Number: 1, ThisUpdate: now, NextUpdate: now.Add(ca.CRLPeriod), Entries: []ca.Revocation{revoked(7), revoked(8), revoked(9)},
	})
	check(t, err)
	file := filepath.Join(t.TempDir(), "sign.crl")
	check(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der}), 0o600))

	l := newLists()
	l.add("sign", 7, now.UnixMilli(), 0)
	l.add("sign", 8, now.UnixMilli(), 0)
	l.release("sign", 8, now.UnixMilli())
	if kept := l.kept(file, "sign", ca.Generations{g}, now); len(kept) != 0 {
		t.Errorf("with a log that can be read, %v are kept", kept)
	}
	l.doubtful = true
	if kept := l.kept(file, "sign", ca.Generations{g}, now); len(kept) != 1 || kept[0].Serial != 9 {
		t.Errorf("kept are %v, want 9", kept)
	}
	if kept := l.kept(file, "sign", nil, now); len(kept) != 0 {
		t.Errorf("of a list that nobody known signed, %v are kept", kept)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
