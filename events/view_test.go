package events

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestJSONShowsACommitOnOneLine(t *testing.T) {
	commit := testCommit(2)
	commit.Actor = &Actor{Kind: ActorKind_ACTOR_KIND_CLERK, Id: "4711"}
	e := New(&CertificateRevoked{Serial: 7, Reason: RevocationReason_REVOCATION_REASON_SUPERSEDED}, "rule.one")
	e.RecordedMs = 1452560400123
	commit.Events = []*Event{e}
	s, err := Sign(commit, nil, testWriter(t))
	if err != nil {
		t.Fatal(err)
	}
	line, err := JSON(mustEncode(t, s))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.ContainsRune(line, '\n') || !json.Valid(line) {
		t.Fatalf("not one line of JSON: %s", line)
	}
	want := `"actor":{"kind":"clerk","id":"4711"},"events":[{"type":"CertificateRevoked","rule_ids":["rule.one"],` +
		`"recorded":"2016-01-12T01:00:00.123Z","body":{"serial":"7","reason":"superseded"}}],"writer":"U`
	if !strings.Contains(string(line), want) {
		t.Fatalf("got  %s\nwant %s inside", line, want)
	}
}

func TestJSONShowsSealedFieldsAsDigestsOnly(t *testing.T) {
	sealed := &Sealed{Suite: 1, KeyVersion: 1, RecordClass: "identity", Ciphertext: []byte("CIPHERTEXT"), Digest: []byte{0xab, 0xcd}}
	line, err := EventJSON(New(&ResidentRecorded{Identity: sealed, Municipality: "12237"}))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"type":"ResidentRecorded","body":{"identity":{"sealed":"identity","digest":"abcd"},"municipality":"12237"}}`
	if diff := cmp.Diff(want, string(line)); diff != "" {
		t.Fatal(diff)
	}
}

func TestJSONOfEveryEventHidesEveryCiphertext(t *testing.T) {
	for i := range bodyOneof().Fields().Len() {
		descriptor := bodyOneof().Fields().Get(i).Message()
		body := filled(descriptor).Interface()
		line, err := EventJSON(New(body))
		if err != nil {
			t.Fatalf("%s: %v", descriptor.Name(), err)
		}
		if !json.Valid(line) || strings.Contains(string(line), "ciphertext") {
			t.Errorf("%s shows as %s", descriptor.Name(), line)
		}
		if !strings.Contains(string(line), `"type":"`+string(descriptor.Name())+`"`) {
			t.Errorf("%s does not name its type: %s", descriptor.Name(), line)
		}
	}
}

func TestJSONShowsLongBytesByHash(t *testing.T) {
	line, err := EventJSON(New(&FactQuarantined{Claim: make([]byte, viewBytes+1)}))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"type":"FactQuarantined","body":{"claim":{"bytes":65,"sha256":"98ce42deef51d40269d542f5314bef2c7468d401ad5d85168bfab4c0108f75f7"}}}`
	if diff := cmp.Diff(want, string(line)); diff != "" {
		t.Fatal(diff)
	}
}

func TestJSONNamesReasonsAsRFC5280Does(t *testing.T) {
	for reason, want := range map[RevocationReason]string{
		RevocationReason_REVOCATION_REASON_CRL_UNSPECIFIED:        `"unspecified"`,
		RevocationReason_REVOCATION_REASON_CESSATION_OF_OPERATION: `"cessation-of-operation"`,
		RevocationReason_REVOCATION_REASON_CERTIFICATE_HOLD:       `"certificate-hold"`,
	} {
		line, err := EventJSON(New(&CertificateRevoked{Reason: reason}))
		if err != nil || !strings.Contains(string(line), `"reason":`+want) {
			t.Errorf("%v shows as %s (%v), want %s", reason, line, err, want)
		}
	}
}

func TestAnEnumValueOfANewerVersionShowsAsItsNumber(t *testing.T) {
	line, err := EventJSON(New(&PinBlocked{Pin: PinKind(99)}))
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"type":"PinBlocked","body":{"pin":99}}`; string(line) != want {
		t.Fatalf("got %s, want %s", line, want)
	}
}
