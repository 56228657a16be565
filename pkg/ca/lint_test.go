package ca

import (
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
	zx509 "github.com/zmap/zcrypto/x509"
	"github.com/zmap/zlint/v3"
	"github.com/zmap/zlint/v3/lint"
	"golang.org/x/crypto/cryptobyte"
)

// reasoned are the lints of RFC 5280 that this profile breaks on purpose, each with why. One that no longer fires
// fails the test too.
var reasoned = map[string]string{
	"w_distribution_point_missing_ldap_or_uri": "RFC 5280 section 4.2.1.13 says SHOULD: an authority's own certificate " +
		"names its distribution point by directoryName alone, as the real ones do; nobody looks a root up on a list of its own",
}

// rfc5280 holds the lints of RFC 5280 alone: the others in zlint were written for web servers.
func rfc5280(t *testing.T) lint.Registry {
	t.Helper()
	registry, err := lint.GlobalRegistry().Filter(lint.FilterOptions{IncludeSources: lint.SourceList{lint.RFC5280}})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(registry.Names()); n < 100 {
		t.Fatalf("only %d lints of RFC 5280 were found", n)
	}
	return registry
}

// fired gives the lints above "pass" that a certificate sets off.
func fired(t *testing.T, der []byte) map[string]bool {
	t.Helper()
	cert, err := zx509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return above(zlint.LintCertificateEx(cert, rfc5280(t)).Results)
}

func above(results map[string]*lint.LintResult) map[string]bool {
	found := map[string]bool{}
	for name, result := range results {
		if result.Status > lint.Pass {
			found[name] = true
		}
	}
	return found
}

// TestLintFiresOnBad shows that the judge sees what it should before its silence counts.
func TestLintFiresOnBad(t *testing.T) {
	g := everyGeneration(t)[Auth]
	in := testInput(t, g)
	tests := []struct {
		lint   string
		change func(*tbs)
	}{
		{"e_ext_subject_key_identifier_critical", func(p *tbs) { p.extensions[7].critical = true }},
		{"e_ext_aia_marked_critical", func(p *tbs) { p.extensions[5].critical = true }},
		{"e_ext_authority_key_identifier_no_key_identifier", func(p *tbs) { p.extensions = append(p.extensions[:6:6], p.extensions[7]) }},
		{"e_ext_duplicate_extension", func(p *tbs) { p.extensions = append(p.extensions, p.extensions[7]) }},
		{"e_serial_number_not_positive", func(p *tbs) { p.serial = 0 }},
		{"e_ext_key_usage_cert_sign_without_ca", func(p *tbs) { p.extensions[0] = keyUsage(1, 0x06) }},
		{"e_ext_ian_empty_name", func(p *tbs) {
			p.extensions[3] = extension{oidIAN, false, func(b *cryptobyte.Builder) { b.AddBytes([]byte{0x30, 0x02, 0x82, 0x00}) }}
		}},
	}
	for _, test := range tests {
		der, err := assemble(forge(t, in, test.change), make([]byte, 256))
		if err != nil {
			t.Fatal(err)
		}
		if found := fired(t, der); !found[test.lint] {
			t.Errorf("%s does not fire; these do: %v", test.lint, found)
		}
	}
}

func TestLint(t *testing.T) {
	key := testKey(t, "authority")
	found := map[string]bool{}
	for kind, g := range everyGeneration(t) {
		judged := map[string][]byte{"authority": g.DER, "subscriber": mustSign(t, g, key, testInput(t, g))}
		if PhonePolicy(kind) != nil {
			judged["smartphone"] = mustSign(t, g, key, phoneInput(t, g))
		}
		for what, der := range judged {
			lints := fired(t, der)
			for name := range lints {
				if reasoned[name] == "" {
					t.Errorf("%s of %s sets off %s", what, kind, name)
				}
			}
			maps.Copy(found, lints)
		}
	}
	for name := range reasoned {
		if !found[name] {
			t.Errorf("%s no longer fires: take it off the list", name)
		}
	}
}

// TestLintCRL lints a list with entries and an empty one, after a bad one.
func TestLintCRL(t *testing.T) {
	g, key := everyGeneration(t)[Sign], testKey(t, "authority")
	in := testCRL(g, entry(1, Unspecified), entry(2, KeyCompromise))
	for name, entries := range map[string][]Revocation{"entries": in.Entries, "none": nil} {
		in.Entries = entries
		der, err := BuildCRL(key, in)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]bool{}, lintCRL(t, der)); diff != "" {
			t.Errorf("a list with %s:\n%s", name, diff)
		}
	}
	if len(lintCRL(t, crlWithoutNextUpdate(t, g))) == 0 {
		t.Error("no lint fires on a list without nextUpdate")
	}
}

func lintCRL(t *testing.T, der []byte) map[string]bool {
	t.Helper()
	list, err := zx509.ParseRevocationList(der)
	if err != nil {
		t.Fatal(err)
	}
	return above(zlint.LintRevocationListEx(list, rfc5280(t)).Results)
}

// crlWithoutNextUpdate is a list of version 2 that ends after thisUpdate and an empty list of entries, both against
// RFC 5280 section 5.1.2.
func crlWithoutNextUpdate(t *testing.T, g *Generation) []byte {
	t.Helper()
	var b cryptobyte.Builder
	b.AddASN1(0x30, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1)
		b.AddBytes(sha256WithRSA)
		b.AddBytes(g.cert.RawSubject)
		addTime(b, crlDay)
		b.AddASN1(0x30, func(*cryptobyte.Builder) {})
	})
	der, err := assemble(b.BytesOrPanic(), make([]byte, 256))
	if err != nil {
		t.Fatal(err)
	}
	return der
}
