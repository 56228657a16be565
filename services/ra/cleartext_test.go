package ra_test

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
	"pgregory.net/rapid"

	"shomei/events"
	"shomei/pkg/dossier"
	"shomei/pkg/eventlog"
	"shomei/pkg/vault"
	"shomei/services/servicetest"
)

// Texts that officers write, and that must never be stored in the clear.
const (
	circumstances = "父の佐藤太郎と二人で暮らしている"
	whyDropped    = "本人 鈴木花子 が帰った"
)

// logBytes returns everything that the log holds.
func logBytes(w *servicetest.World) []byte {
	w.T.Helper()
	var all bytes.Buffer
	servicetest.Check(w.T, w.Log.Scan(w.T.Context(), nil, nil, func(r eventlog.Record, err error) error {
		all.Write(r.Stored)
		return err
	}))
	return all.Bytes()
}

// What officers write about a person is sealed in the log, whether the counter sealed it or is older than 2026-11-29.
func TestWhatOfficersWriteIsSealed(t *testing.T) {
	for name, old := range map[string]bool{"sealed by the counter": false, "sent in the clear": true} {
		t.Run(name, func(t *testing.T) {
			w := servicetest.New(t, morning)
			d := w.Enrol(servicetest.Office, "c1", "counter")
			child := servicetest.Resident("100")
			child.Record.BirthDate = "2012-06-18"
			apply := servicetest.Applied(opIssue, "card-1")
			drop := &events.Personal{Why: whyDropped}
			if child.SpecialCircumstances = circumstances; old {
				child.SpecialCircumstances, drop = "", nil
			}
			c := d.Claim("p1", "", func(c *events.Claim) {
				if apply(c); old {
					c.GetApplicationReceived().SpecialCircumstances = circumstances
				}
				c.GetApplicationReceived().Kinds = []events.CertificateKind{events.CertificateKind_CERTIFICATE_KIND_SIGN}
				c.SecondOfficer = "018"
			}, child)
			d.Decide(c)
			id := w.Subscriber("100")
			if w.Count(id, "SpecialCircumstancesGranted") != 1 {
				t.Fatalf("decided %v, in quarantine %q", w.Events(id), w.Quarantined())
			}
			d.Decide(d.Claim("p1", id, func(c *events.Claim) {
				dropped := &events.ApplicationDropped{}
				if old {
					dropped.Why = whyDropped
				}
				c.Fact = &events.Claim_ApplicationDropped{ApplicationDropped: dropped}
			}, drop))
			for _, text := range []string{circumstances, whyDropped, "佐藤", "鈴木"} {
				if bytes.Contains(logBytes(w), []byte(text)) {
					t.Errorf("the log holds %q", text)
				}
			}
			var read []string
			for _, n := range dossier.Of(w.Vault, id, w.History(events.KindSubscriber, id)).Notes() {
				read = append(read, n.Event+" "+n.Text)
			}
			if want := []string{"SpecialCircumstancesGranted " + circumstances, "ApplicationWithdrawn " + whyDropped}; !slices.Equal(read, want) {
				t.Errorf("read %q, want %q", read, want)
			}
		})
	}
}

// A person whose record was erased can still drop an application; nothing new is collected about them.
func TestDropAfterErasureCollectsNothing(t *testing.T) {
	w := servicetest.New(t, morning)
	d := w.Enrol(servicetest.Office, "c1", "counter")
	d.Decide(d.Claim("p1", "", servicetest.Applied(opIssue, "card-1"), servicetest.Resident("100")))
	id := w.Subscriber("100")
	servicetest.Check(t, w.Vault.Erase(id, vault.Identity))
	d.Decide(d.Claim("p1", id, func(c *events.Claim) {
		c.Fact = &events.Claim_ApplicationDropped{ApplicationDropped: &events.ApplicationDropped{}}
	}, &events.Personal{Why: whyDropped}))
	if w.Count(id, "ApplicationWithdrawn") != 1 {
		t.Fatalf("decided %v, in quarantine %q", w.Events(id), w.Quarantined())
	}
	if notes := dossier.Of(w.Vault, id, w.History(events.KindSubscriber, id)).Notes(); len(notes) > 0 {
		t.Errorf("noted %+v", notes)
	}
}

// An officer counts as one however the number is typed, and can't approve their own work.
func TestOfficerNumberIsNormalised(t *testing.T) {
	w := servicetest.New(t, morning)
	d := w.Enrol(servicetest.Office, "c1", "counter")
	for i, second := range []string{"A17", "a17"} {
		child := servicetest.Resident("10" + string(rune('0'+i)))
		child.Record.BirthDate, child.SpecialCircumstances = "2012-06-18", "x"
		c := d.Claim("p"+second, "", servicetest.Applied(opIssue, "card-"+second), child)
		c.Officer, c.SecondOfficer = "A17", second
		d.Decide(c)
		if id := w.Subscriber(child.Record.ResidentCode); w.Count(id, "ApplicationRefused") != 1 {
			t.Errorf("approved by %s: %v", second, w.Events(id))
		}
	}
}

// Odd texts in the fields of claims reach neither the log nor a line of the program's own log, whatever happens to the
// claim.
func TestNoClaimTextReachesLogOrLogLines(t *testing.T) {
	w := servicetest.New(t, morning)
	var lines bytes.Buffer
	w.RA.Logger = slog.New(slog.NewTextHandler(&lines, nil))
	d := w.Enrol(servicetest.Office, "c1", "counter")
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		personal := servicetest.Resident("300")
		c := d.Claim("procedure", "", factOf(rt), personal)
		odd := "佐藤" + rapid.StringMatching(`[ぁ-んァ-ヶ一-鿐a-z 　]{0,12}`).Draw(rt, "odd")
		target := c.ProtoReflect()
		if rapid.Bool().Draw(rt, "in the sealed record") {
			field := rapid.SampledFrom([]string{"municipality", "period_of_stay", "overseas_on"}).Draw(rt, "field")
			record := personal.Record.ProtoReflect()
			record.Set(record.Descriptor().Fields().ByName(protoreflect.Name(field)), protoreflect.ValueOfString(odd))
			c = d.Claim("procedure", "", func(fresh *events.Claim) { fresh.Fact = c.Fact }, personal)
		} else {
			plant(rt, target, odd)
		}
		if err := w.RA.Handle(context.Background(), d.Received(c)); err != nil {
			rt.Fatal(err)
		}
		for what, in := range map[string][]byte{"log": logBytes(w), "lines": lines.Bytes()} {
			if bytes.Contains(in, []byte("佐藤")) || strings.Contains(string(in), `\u4f50`) {
				rt.Fatalf("the %s contains the text of %v", what, c)
			}
		}
	})
	t.Logf("%d claims, %d of them in quarantine", n, len(w.Quarantined()))
	if len(w.Quarantined()) == 0 {
		t.Error("none was quarantined")
	}
}

func factOf(t *rapid.T) func(*events.Claim) {
	facts := []func(*events.Claim){
		servicetest.Applied(opIssue, "card-3"),
		func(c *events.Claim) {
			c.Fact = &events.Claim_WriteFailed{WriteFailed: &events.WriteFailed{Obligation: "x/1/0", Card: "card-3", Stage: "begun", Reason: "card refused"}}
		},
		func(c *events.Claim) {
			c.Fact = &events.Claim_LossNotified{LossNotified: &events.LossNotified{By: "counter"}}
		},
		func(c *events.Claim) {
			c.Fact = &events.Claim_RecordChangeNotified{RecordChangeNotified: &events.RecordChangeNotified{
				Change: events.RecordChange_RECORD_CHANGE_MOVE_OUT, CausedOn: "2020-01-10", PlannedOn: "2020-01-20",
			}}
		},
		func(c *events.Claim) {
			c.Fact = &events.Claim_ConfirmationFailed{ConfirmationFailed: &events.ConfirmationFailed{Obligation: "x/1/0", Reason: "deadline"}}
		},
	}
	return facts[rapid.IntRange(0, len(facts)-1).Draw(t, "fact")]
}

// plant puts a text into one of the string fields of a claim or its fact.
func plant(t *rapid.T, claim protoreflect.Message, text string) {
	in := claim
	if rapid.Bool().Draw(t, "in the fact") {
		in = claim.Get(claim.WhichOneof(claim.Descriptor().Oneofs().ByName("fact"))).Message()
	}
	var fields []protoreflect.FieldDescriptor
	for i := range in.Descriptor().Fields().Len() {
		if f := in.Descriptor().Fields().Get(i); f.Kind() == protoreflect.StringKind && f.FullName() != "shomei.events.Claim.counter" {
			fields = append(fields, f)
		}
	}
	if len(fields) == 0 {
		return
	}
	f := rapid.SampledFrom(fields).Draw(t, "field")
	if f.IsList() {
		in.Mutable(f).List().Append(protoreflect.ValueOfString(text))
		return
	}
	in.Set(f, protoreflect.ValueOfString(text))
}
