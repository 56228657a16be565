package desk

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"testing"
	"weak"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"shomei/events"
	"shomei/pkg/card"
	"shomei/pkg/card/softcard"
	"shomei/pkg/civil"
	"shomei/pkg/counterlink"
	"shomei/pkg/intake"
	"shomei/pkg/page"
	"shomei/pkg/page/actpage"
	"shomei/pkg/regime"
	"shomei/services/agent"
)

// TestEveryWordThatIsComposedExists finds the phrases whose keys are put together at run time.
func TestEveryWordThatIsComposedExists(t *testing.T) {
	var keys []string
	add := func(prefix string, words ...string) {
		for _, word := range words {
			keys = append(keys, prefix+word)
		}
	}
	add("operation.", slices.Collect(maps.Keys(operations))...)
	add("kind.", slices.Collect(maps.Keys(kinds))...)
	add("planned.", slices.Collect(maps.Keys(kinds))...)
	add("pin.", slices.Collect(maps.Keys(pinKinds))...)
	add("card.tries.", slices.Collect(maps.Keys(pinKinds))...)
	add("drop.former.", "keep", "gone", "perhaps")
	add("card.kind.", slices.Collect(maps.Keys(trayKinds))...)
	add("card.cycle.", "initialised", "operational", "terminated")
	add("sex.", "1", "2", "3")
	add("step.", stages...)
	add("step.", reportStages...)
	add("step.", settlingStages...)
	add("held.", slices.Collect(maps.Values(heldStates))...)
	add("handover.do.", "back", "paid", "free")
	add("state.", "ready-back", "done-back")
	add("state.", slices.Collect(maps.Values(states))...)
	add("state.", "recorded", "unrecorded")
	for _, k := range reportKinds {
		add("report.", k.Word)
		if k.Keep {
			add("report.keep.", k.Word)
		}
	}
	for _, s := range reportShortcuts {
		add("report.", s.what)
	}
	add("report.", "pins-blocked", "other", "by.counter", "by.telephone")
	add("ending.target.", string(regime.TargetSign), string(regime.TargetAuth), string(regime.TargetCard))
	for _, e := range []regime.Effect{regime.Keep, regime.Revoke, regime.Suspend, regime.Void, regime.Expire, regime.Release} {
		add("ending.effect.", string(e))
	}
	add("ending.certificate.", "revoked", "suspended", "expired", "valid")
	add("ending.card.", "void", "suspended", "expired", "custody", "held")
	for _, k := range events.DeadlineKind_name {
		if word := strings.ToLower(strings.TrimPrefix(k, "DEADLINE_KIND_")); word != "unspecified" {
			add("deadline.", word)
		}
	}
	add("station.reader.", string(ReaderAway), string(ReaderEmpty), string(ReaderCard))
	for _, w := range ways {
		add("way.", string(w.law))
	}
	for _, c := range causes {
		add("cause.", string(c))
	}
	for _, s := range []counterlink.LinkState{counterlink.Away, counterlink.Comparing, counterlink.Up, counterlink.Mismatched, counterlink.Taken} {
		add("station.link.", s.String())
		add("procedure.sent.", s.String())
	}
	for _, q := range actpage.Qualifiers {
		add("qualifier.", q)
	}
	for _, d := range everyDocument(t) {
		add("document.", string(d))
	}
	for _, key := range keys {
		if _, ok := words[key]; !ok {
			t.Errorf("no words for %q", key)
		}
	}
}

// everyDocument asks the law for the lists of all operations and ways.
func everyDocument(t *testing.T) []regime.Document {
	t.Helper()
	seen := map[regime.Document]bool{}
	for _, h := range regime.Handlings() {
		for _, w := range ways {
			out, err := regime.Switches{}.Documents(regime.DocumentsIn{
				Regime: regime.MyNumber, Operation: h.Law, Channel: w.law, On: civil.New(2024, 6, 3),
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, need := range out.Required {
				seen[need.Document] = true
			}
		}
	}
	if len(seen) < 8 {
		t.Fatalf("the law asks for %d kinds of documents only", len(seen))
	}
	return slices.Collect(maps.Keys(seen))
}

func TestAFormIsReadAsTheStandardLibraryReadsIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := url.Values(rapid.MapOf(rapid.StringMatching(`[a-z_&=%+ é暗]{1,6}`),
			rapid.SliceOfN(rapid.String(), 1, 3)).Draw(t, "values"))
		got := url.Values{}
		for name, all := range readForm([]byte(values.Encode())) {
			for _, value := range all {
				got.Add(name, string(value))
			}
		}
		if diff := cmp.Diff(values, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestAFormForgetsItsPINs(t *testing.T) {
	body := []byte("sign=ABC123&sign_again=ABC%31%323")
	f := readForm(body)
	once, again := f.first("sign"), f.first("sign_again")
	if string(once) != "ABC123" || string(again) != "ABC123" || f.first("auth") != nil {
		t.Errorf("read %d and %d bytes", len(once), len(again))
	}
	clear(body)
	if !bytes.Equal(once, make([]byte, len(once))) || !bytes.Equal(again, make([]byte, len(again))) {
		t.Error("a PIN is still there")
	}
}

func TestASecretOwnsItsBytes(t *testing.T) {
	body := []byte(`{"pin":"ABC123"}`)
	var r struct {
		PIN secret `json:"pin"`
	}
	if err := json.Unmarshal(body, &r); err != nil {
		t.Fatal(err)
	}
	clear(body)
	if string(r.PIN) != "ABC123" {
		t.Error("the PIN went with the body")
	}
	if err := json.Unmarshal([]byte(`{"pin":1234}`), &r); err == nil {
		t.Error("a number was taken for a PIN")
	}
}

// TestAMistakeIsNamedWithoutItsValue: a misplaced name must not appear in an error, which may be logged.
func TestAMistakeIsNamedWithoutItsValue(t *testing.T) {
	for _, body := range []string{
		`{"person":{"sex":"花子"}}`, `{"person":"花子"}`, `{"express":"花子"}`, `花子`, `{"operation":"花子","channel":"self","clerk":"1"}`,
		`{"operation":"issue","channel":"花子","clerk":"1"}`,
		`{"operation":"issue","channel":"self","clerk":"1","kinds":["花子"]}`,
		`{"operation":"issue","channel":"self","clerk":"1","documents":["花子"]}`,
	} {
		var r request
		err := decode([]byte(body), &r)
		if err == nil {
			received, faults := r.received()
			err = faultProblem(slices.Concat(faults, intake.Application(received, civil.New(2026, 11, 29))))
		}
		if err == nil || strings.Contains(fmt.Sprint(err, problemOf(err)), "花子") {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestTheAPIsWordForEachStage(t *testing.T) {
	handOver := &events.ApplicationReceived{Operation: events.Operation_OPERATION_HAND_OVER}
	live := &events.Answer{Certificates: []*events.CertificateState{{Status: events.CertificateStatus_CERTIFICATE_STATUS_VALID}}}
	newCard := &events.ApplicationReceived{Operation: events.Operation_OPERATION_HAND_OVER, CardKind: events.CardKind_CARD_KIND_MYNUMBER}
	juki := &events.Answer{Certificates: []*events.CertificateState{{Status: events.CertificateStatus_CERTIFICATE_STATUS_VALID, Regime: events.Regime_REGIME_JUKI}}}
	for _, row := range []struct {
		status agent.Status
		want   string
	}{
		{agent.Status{Stage: agent.StagePending}, "pending"},
		{agent.Status{Stage: agent.StageConfirm, Waiting: &agent.Confirmation{}}, "waiting-confirmation"},
		{agent.Status{Stage: agent.StageConfirm}, "working"},
		{agent.Status{Stage: agent.StageCard}, "working"},
		{agent.Status{Stage: agent.StageWritten}, "ready"},
		{agent.Status{Stage: agent.StageUnblocked}, "ready"},
		{agent.Status{Stage: agent.StageHandedOver}, "working"},
		{agent.Status{Stage: agent.StageHandedOver, AtHub: true}, "done"},
		{agent.Status{Stage: agent.StageAccepted}, "accepted"},
		{agent.Status{Stage: agent.StageAccepted, Application: handOver}, "ready"},
		{agent.Status{Stage: agent.StageAccepted, Application: handOver, Answer: live}, "accepted"},
		{agent.Status{Stage: agent.StageAccepted, Application: newCard, Answer: juki}, "ready"},
		{agent.Status{Stage: agent.StageDropped}, "dropped"},
	} {
		if got := stateOf(row.status); got != row.want {
			t.Errorf("%+v: %s, want %s", row.status, got, row.want)
		}
	}
}

// The tray keeps only the card in the reader in memory; each of the others comes back as it was.
func TestTheTrayForgetsCardsThatWereTakenOut(t *testing.T) {
	key, err := counterlink.NewSealKey()
	if err != nil {
		t.Fatal(err)
	}
	tray := &Tray{Dir: t.TempDir(), Reader: softcard.NewReader(nil, nil), Factory: key.PublicKey()}
	insert := func(id string) weak.Pointer[softcard.Card] {
		t.Helper()
		if err := tray.Insert(id); err != nil {
			t.Fatal(err)
		}
		in := tray.Reader.Card()
		if in.ID() != id {
			t.Fatalf("card %s is in the reader, not %s", in.ID(), id)
		}
		if again, err := tray.open(id); again != in || err != nil {
			t.Fatalf("card %s is opened beside itself: %v", id, err)
		}
		return weak.Make(in)
	}
	first := weak.Pointer[softcard.Card]{}
	for n, id := range []string{"A", "B", "C"} {
		if _, err := tray.Make(id, card.MyNumber, civil.New(2035, 6, 18)); err != nil {
			t.Fatal(err)
		}
		in := insert(id)
		if n == 0 {
			first = in
		}
	}
	runtime.GC()
	if first.Value() != nil {
		t.Error("a card that was taken out is still in memory")
	}
	insert("A")
	if _, err := tray.open("B"); err != nil { // on its way into the reader, and then not
		t.Fatal(err)
	}
	insert("A")
}

// The page with the hand-over button says which certificates end with it.
func TestWhatAHandOverEnds(t *testing.T) {
	d, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	held := func(kind events.CertificateKind, r events.Regime, status events.CertificateStatus) *events.CertificateState {
		return &events.CertificateState{Kind: kind, Regime: r, Status: status}
	}
	const (
		sign, auth     = events.CertificateKind_CERTIFICATE_KIND_SIGN, events.CertificateKind_CERTIFICATE_KIND_AUTH
		juki, mynumber = events.Regime_REGIME_JUKI, events.Regime_REGIME_MYNUMBER
		valid, issued  = events.CertificateStatus_CERTIFICATE_STATUS_VALID, events.CertificateStatus_CERTIFICATE_STATUS_ISSUED
		revoked        = events.CertificateStatus_CERTIFICATE_STATUS_REVOKED
	)
	for name, row := range map[string]struct {
		operation events.Operation
		held      []*events.CertificateState
		ends      []string
	}{
		"a first card":          {events.Operation_OPERATION_HAND_OVER, []*events.CertificateState{held(auth, mynumber, issued)}, nil},
		"in place of another":   {events.Operation_OPERATION_HAND_OVER, []*events.CertificateState{held(auth, mynumber, valid), held(sign, mynumber, valid), held(auth, mynumber, issued)}, []string{"カードを交付すると、前の利用者証明用電子証明書は失効します。元に戻せません。"}},
		"in place of a juki":    {events.Operation_OPERATION_ISSUE, []*events.CertificateState{held(sign, juki, valid), held(auth, mynumber, issued)}, []string{"カードを交付すると、前の署名用電子証明書は失効します。元に戻せません。"}},
		"after a renewal":       {events.Operation_OPERATION_RENEW, []*events.CertificateState{held(sign, mynumber, revoked), held(sign, mynumber, issued), held(auth, mynumber, valid)}, nil},
		"what has ended before": {events.Operation_OPERATION_HAND_OVER, []*events.CertificateState{held(auth, mynumber, revoked), held(auth, mynumber, issued)}, nil},
	} {
		s := agent.Status{
			Stage: agent.StageWritten, Answer: &events.Answer{Certificates: row.held},
			Application: &events.ApplicationReceived{Operation: row.operation, CardKind: events.CardKind_CARD_KIND_MYNUMBER},
		}
		if got := d.endsNext(s, page.Japanese); !slices.Equal(got, row.ends) {
			t.Errorf("%s ends %v", name, got)
		}
	}
}
