package story

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"

	"shomei/events"
	"shomei/pkg/civil"
)

var tokyo = civil.Tokyo

// readPhoneCertificate reads an expectation of a certificate on a smartphone.
func readPhoneCertificate(w *words, e *Expectation) {
	device := deviceID(w)
	readCertificate(w, e, device, pick(w, "a kind of certificate", certificateKinds))
}

// deviceID reads the name of a smartphone.
func deviceID(w *words) string {
	id := w.next("a smartphone")
	if w.err == nil && (!validName(id) || !events.ValidID(id)) {
		w.fail("write it in a-z, 0-9 and -", "%q is no name for a smartphone", id)
	}
	return id
}

// readCertificate reads an expectation of a person's newest certificate of a kind, or of the one before it: on a
// smartphone or, without a device, on the card.
func readCertificate(w *words, e *Expectation, device, kind string) {
	skip := 0
	for w.accept("former", "前の") {
		skip++
	}
	field := w.next("what is expected of the certificate")
	for _, f := range certificateFields() {
		if field == f.en || field == f.ja {
			judge := f.read(w)
			e.Lists = f.en == "listed"
			e.judge = func(s *Seen) (string, bool) {
				if c := s.Life.Newest(device, kind, skip); c != nil {
					return judge(s, c)
				}
				return judge(s, &Certificate{Kind: kind, Status: "none"})
			}
			return
		}
	}
	known := ""
	for _, f := range certificateFields() {
		known += " " + f.en
	}
	w.fail("what can be expected is:"+known, "%q can't be expected of a certificate", field)
}

// certificateField is something that can be expected of a certificate.
type certificateField struct {
	en, ja, form, help string
	read               func(*words) func(*Seen, *Certificate) (string, bool)
}

func certificateFields() []certificateField {
	return []certificateField{
		{"status", "状態", "S", "状態。/ Its status: " + inWords(statuses) + ".", func(w *words) func(*Seen, *Certificate) (string, bool) {
			status := pick(w, "a status", statuses)
			return func(s *Seen, c *Certificate) (string, bool) { return say(s, statuses, c.Status), c.Status == status }
		}},
		{"last-day", "最終日", "DATE [by RULE] [not DATE RULE]…", "最終日、それを決めた規則、決めなかった候補。/ The last day, the rule that binds, the candidates that don't.", func(w *words) func(*Seen, *Certificate) (string, bool) {
			term := readLastDay(w)
			return func(_ *Seen, c *Certificate) (string, bool) { return term.judge(c.LastDay, c.Candidates) }
		}},
		{"reason", "失効理由", "REASON", "失効理由。/ Why it was revoked: " + inWords(reasons) + ".", func(w *words) func(*Seen, *Certificate) (string, bool) {
			reason := pick(w, "a reason", reasons)
			return func(s *Seen, c *Certificate) (string, bool) { return say(s, reasons, c.Reason), c.Reason == reason }
		}},
		{"revoked-at", "失効日時", "DATE HH:MM", "失効を記録した日時。/ When the revocation was recorded.", readMoment(func(c *Certificate) time.Time { return c.RevokedAt })},
		{"suspended-at", "停止日時", "DATE HH:MM", "一時停止を記録した日時。/ When the suspension was recorded.", readMoment(func(c *Certificate) time.Time { return c.SuspendedAt })},
		{"issued-on", "発行日", "DATE", "発行の日。/ The day of issue.", func(w *words) func(*Seen, *Certificate) (string, bool) {
			day := w.date("the day").String()
			return func(_ *Seen, c *Certificate) (string, bool) {
				seen := civil.Of(c.NotBefore).String()
				return seen, seen == day
			}
		}},
		{"window", "更新開始日", "DATE|none", "更新できる最初の日。/ The day on which the renewal window opens.", readWindow},
		{"generation", "世代", "N", "発行した認証局の世代。/ The generation of the authority that issued it.", func(w *words) func(*Seen, *Certificate) (string, bool) {
			n := w.number("a generation", 99)
			return func(s *Seen, c *Certificate) (string, bool) {
				seen := s.Generation(c.Generation)
				return fmt.Sprint(seen), seen == n
			}
		}},
		{"on-card", "カード内", "yes|no", "カードから読めるのはこの証明書である。/ It is this certificate that the card in hand holds.", func(w *words) func(*Seen, *Certificate) (string, bool) {
			expected := yes(w)
			return func(s *Seen, c *Certificate) (string, bool) {
				said := Text{"カードの中は %d、記録では %d", "the card holds %d, the log says %d"}.In(s.Lang)
				return fmt.Sprintf(said, s.OnCard[c.Kind], c.Serial), (c.Serial != 0 && s.OnCard[c.Kind] == c.Serial) == expected
			}
		}},
		{"listed", "失効リスト", "REASON|no", "失効リストに載る理由、載らなければno。/ Its reason on the revocation list, or no.", readListed},
	}
}

func readMoment(of func(*Certificate) time.Time) func(*words) func(*Seen, *Certificate) (string, bool) {
	return func(w *words) func(*Seen, *Certificate) (string, bool) {
		expected := minute(w.instant("when", civil.Clock(10, 0)))
		return func(s *Seen, c *Certificate) (string, bool) {
			at := of(c)
			if at.IsZero() {
				return Text{"なし", "never"}.In(s.Lang), false
			}
			return minute(at), minute(at) == expected
		}
	}
}

func readWindow(w *words) func(*Seen, *Certificate) (string, bool) {
	expected := ""
	if !w.accept("none", "なし") {
		expected = w.date("the day").String()
	}
	return func(s *Seen, c *Certificate) (string, bool) {
		if c.Window == "" {
			return Text{"なし", "none"}.In(s.Lang), expected == ""
		}
		return c.Window, c.Window == expected
	}
}

func readListed(w *words) func(*Seen, *Certificate) (string, bool) {
	expected := ""
	if !w.accept("no", "なし") {
		expected = pick(w, "a reason", reasons)
	}
	return func(s *Seen, c *Certificate) (string, bool) {
		reason, listed := s.Listed[c.Serial]
		if !listed {
			return Text{"載っていない", "not listed"}.In(s.Lang), expected == ""
		}
		return say(s, reasons, reason), reason == expected
	}
}

// eventName reads the name of an event of the contract.
func eventName(w *words) string {
	name := w.next("the name of an event")
	fields := (&events.Event{}).ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if f.ContainingOneof() != nil && f.Kind() == protoreflect.MessageKind && string(f.Message().Name()) == name {
			return name
		}
	}
	w.fail("see the names in events/*.proto", "there is no event %q", name)
	return name
}
