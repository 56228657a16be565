package regime

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// bring lists documents that are as they should be.
func bring(docs ...Document) []Shown {
	var list []Shown
	for _, d := range docs {
		list = append(list, Shown{Document: d, AddressCurrent: d == DocPhotoID, RegisteredSeal: d == DocMandate})
	}
	return list
}

func withLetter(list []Shown, letter string) []Shown {
	return append(list, Shown{Document: DocInquiryAnswer, Letter: letter})
}

func TestDocuments(t *testing.T) {
	juki := DocumentsIn{Regime: Juki, Operation: OpNew, On: day("2012-12-03")}
	my := DocumentsIn{Regime: MyNumber, Operation: OpRenew, On: day("2020-03-19")}
	with := func(in DocumentsIn, c Channel, letter string, shown []Shown) DocumentsIn {
		in.Channel, in.Letter, in.Shown = c, letter, shown
		return in
	}
	posted := func(in DocumentsIn, on string) DocumentsIn {
		in.Posted = day(on)
		return in
	}
	proxyPapers := []Document{DocForm, DocCard, DocMandate, DocSealCertificate, DocProxyPhotoID}
	for _, c := range []struct {
		name        string
		in          DocumentsIn
		refused     []ID
		sameDay     bool
		letterFirst bool
	}{
		{"juki self", with(juki, ChannelSelf, "", bring(DocForm, DocCard, DocPhotoID)), nil, true, false},
		{"juki self with nothing", with(juki, ChannelSelf, "", nil), []ID{"juki.documents.form", "juki.documents.card", "juki.documents.photo-id"}, true, false},
		{"juki old address", with(juki, ChannelSelf, "", append(bring(DocForm, DocCard), Shown{Document: DocPhotoID})), []ID{"juki.documents.photo-id-address"}, true, false},
		{"juki no photo, first visit", with(juki, ChannelSelfNoPhoto, "", bring(DocForm, DocCard, DocOtherID)), []ID{"juki.documents.letter-first"}, false, true},
		{"juki no photo, second visit", with(juki, ChannelSelfNoPhoto, "L1", withLetter(bring(DocForm, DocCard, DocOtherID), "L1")), nil, false, false},
		{"juki answer forgotten", with(juki, ChannelSelfNoPhoto, "L1", bring(DocForm, DocCard, DocOtherID)), []ID{"juki.documents.inquiry-answer"}, false, false},
		{"juki another letter", with(juki, ChannelSelfNoPhoto, "L2", withLetter(bring(DocForm, DocCard, DocOtherID), "L1")), []ID{"juki.documents.inquiry-answer-other"}, false, false},
		{"juki answer on the day of the letter", posted(with(juki, ChannelSelfNoPhoto, "L1", withLetter(bring(DocForm, DocCard, DocOtherID), "L1")), "2012-12-03"), []ID{"juki.documents.not-same-day"}, false, false},
		{"juki answer on the day after", posted(with(juki, ChannelSelfNoPhoto, "L1", withLetter(bring(DocForm, DocCard, DocOtherID), "L1")), "2012-12-02"), nil, false, false},
		{"juki insurance card forgotten", with(juki, ChannelSelfNoPhoto, "L1", withLetter(bring(DocForm, DocCard), "L1")), []ID{"juki.documents.other-id"}, false, false},
		{"juki proxy, first visit", with(juki, ChannelProxy, "", bring(proxyPapers...)), []ID{"juki.documents.letter-first"}, false, true},
		{"juki proxy", with(juki, ChannelProxy, "L1", withLetter(bring(proxyPapers...), "L1")), nil, false, false},
		{
			"juki proxy with nothing", with(juki, ChannelProxy, "L1", withLetter(nil, "L1")),
			[]ID{"juki.documents.form", "juki.documents.card", "juki.documents.mandate", "juki.documents.seal-certificate", "juki.documents.proxy-photo-id"},
			false, false,
		},
		{
			"juki other seal", with(juki, ChannelProxy, "L1", withLetter(append(bring(DocForm, DocCard, DocSealCertificate, DocProxyPhotoID), Shown{Document: DocMandate}), "L1")),
			[]ID{"juki.documents.mandate-seal"},
			false, false,
		},
		{"juki representative", with(juki, ChannelRepresentative, "", bring(DocForm, DocCard, DocProxyPhotoID)), []ID{"juki.documents.proof-of-representation"}, true, false},

		{"self", with(my, ChannelSelf, "", bring(DocForm, DocCard, DocPhotoID)), nil, true, false},
		{"self with nothing", with(my, ChannelSelf, "", nil), []ID{"mynumber.documents.form", "mynumber.documents.card", "mynumber.documents.photo-id"}, true, false},
		{"card as photo ID", with(my, ChannelSelf, "", append(bring(DocForm), Shown{Document: DocCard, AddressCurrent: true})), nil, true, false},
		{"old address", with(my, ChannelSelf, "", append(bring(DocForm, DocCard), Shown{Document: DocPhotoID})), []ID{"mynumber.documents.photo-id-address"}, true, false},
		{"no photo, first visit", with(my, ChannelSelfNoPhoto, "", bring(DocForm, DocCard, DocOtherID)), []ID{"mynumber.documents.letter-first"}, false, true},
		{"answer forgotten", with(my, ChannelSelfNoPhoto, "L1", bring(DocForm, DocCard, DocOtherID)), []ID{"mynumber.documents.inquiry-answer"}, false, false},
		{"another letter", with(my, ChannelSelfNoPhoto, "L2", withLetter(bring(DocForm, DocCard, DocOtherID), "L1")), []ID{"mynumber.documents.inquiry-answer-other"}, false, false},
		{"insurance card forgotten", with(my, ChannelSelfNoPhoto, "L1", withLetter(bring(DocForm, DocCard), "L1")), []ID{"mynumber.documents.other-id"}, false, false},
		{"proxy", with(my, ChannelProxy, "L1", withLetter(bring(proxyPapers...), "L1")), nil, false, false},
		{
			"proxy with nothing", with(my, ChannelProxy, "L1", withLetter(nil, "L1")),
			[]ID{"mynumber.documents.form", "mynumber.documents.card", "mynumber.documents.proxy-photo-id"},
			false, false,
		},
		{"proxy with the answer alone", with(my, ChannelProxy, "L1", withLetter(bring(DocForm, DocCard, DocProxyPhotoID), "L1")), nil, false, false},
		{
			"proxy, first visit with nothing", with(my, ChannelProxy, "", nil),
			[]ID{"mynumber.documents.form", "mynumber.documents.card", "mynumber.documents.mandate", "mynumber.documents.letter-first", "mynumber.documents.proxy-photo-id"},
			false, true,
		},
		{"representative", with(my, ChannelRepresentative, "", bring(DocForm, DocCard, DocRepresentation, DocProxyPhotoID)), nil, true, false},
		{"representative without proof", with(my, ChannelRepresentative, "", bring(DocForm, DocCard, DocProxyPhotoID)), []ID{"mynumber.documents.proof-of-representation"}, true, false},
		{"notice without its form", with(my, ChannelNotice, "", bring(DocForm, DocCard, DocProxyPhotoID)), []ID{"mynumber.documents.notice-answer"}, false, false},
		{"notice, other PINs", with(my, ChannelNotice, "", bring(DocForm, DocCard, DocNoticeAnswer, DocProxyPhotoID)), []ID{"mynumber.documents.notice-pins-differ"}, false, true},
	} {
		got, err := Switches{}.Documents(c.in)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if diff := cmp.Diff(c.refused, got.Refused); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
		if got.SameDay != c.sameDay || got.LetterFirst != c.letterFirst {
			t.Errorf("%s: same day %v, letter first %v", c.name, got.SameDay, got.LetterFirst)
		}
	}
	unsealed := append(bring(DocForm, DocCard, DocSealCertificate), Shown{Document: DocMandate})
	got, _ := Switches{}.Documents(with(juki, ChannelProxy, "", unsealed))
	if want := []ID{"juki.documents.mandate-seal", "juki.documents.proxy-photo-id"}; !got.LetterFirst || cmp.Diff(want, got.Now) != "" {
		t.Errorf("an unsealed mandate on the first visit: letter first %v, now %v", got.LetterFirst, got.Now)
	}
	got, _ = Switches{}.Documents(with(my, ChannelSelf, "", append(bring(DocForm), Shown{Document: DocCard, AddressCurrent: true})))
	mustHold(t, "card as ID", got.Applied, "mynumber.documents.card-is-photo-id")
	got, _ = Switches{}.Documents(with(juki, ChannelProxy, "L1", withLetter(bring(proxyPapers...), "L1")))
	mustHold(t, "juki proxy", got.Applied, "juki.documents.not-same-day")
	got, _ = Switches{}.Documents(with(my, ChannelProxy, "L1", withLetter(bring(proxyPapers...), "L1")))
	mustHold(t, "proxy", got.Applied, "mynumber.documents.not-same-day")
}

func TestDocumentsByOperation(t *testing.T) {
	for _, c := range []struct {
		name string
		in   DocumentsIn
		want []Document
	}{
		{"revocation needs no card", DocumentsIn{Regime: MyNumber, Operation: OpRevoke, Channel: ChannelSelf}, []Document{DocForm, DocPhotoID}},
		{"application for a card", DocumentsIn{Regime: MyNumber, Operation: OpCard, Channel: ChannelSelf}, []Document{DocForm, DocPhotoID}},
		{"lost card", DocumentsIn{Regime: MyNumber, Operation: OpReissue, Channel: ChannelSelf, NoCard: true}, []Document{DocForm, DocPhotoID}},
		{"unblocking", DocumentsIn{Regime: Juki, Operation: OpUnblock, Channel: ChannelSelf}, []Document{DocForm, DocCard, DocPhotoID}},
		{"hand-over", DocumentsIn{Regime: MyNumber, Operation: OpHandOver, Channel: ChannelSelf}, []Document{DocHandOverNotice, DocPhotoID}},
		{"a card given back", DocumentsIn{Regime: MyNumber, Operation: OpRevoke, Channel: ChannelSelfNoPhoto, Returned: true}, []Document{DocCard}},
		{"telephone", DocumentsIn{Regime: MyNumber, Operation: OpSuspend}, nil},
		{"notification", DocumentsIn{Regime: MyNumber, Operation: OpResidentRecord}, nil},
	} {
		got, err := Switches{}.Documents(c.in)
		var docs []Document
		for _, r := range got.Required {
			docs = append(docs, r.Document)
		}
		if diff := cmp.Diff(c.want, docs); diff != "" || err != nil {
			t.Errorf("%s: %v %s", c.name, err, diff)
		}
	}
	got, _ := Switches{}.Documents(DocumentsIn{Regime: MyNumber, Operation: OpHandOver, Channel: ChannelSelf})
	mustHold(t, "hand-over", got.Refused, "mynumber.documents.handover-notice")
	in := DocumentsIn{
		Regime: MyNumber, Operation: OpRenew, Channel: ChannelNotice, PINsMatch: true,
		Shown: bring(DocForm, DocCard, DocNoticeAnswer, DocProxyPhotoID),
	}
	if got, err := (Switches{}).Documents(in); err != nil || !got.Accepted() || !got.SameDay {
		t.Errorf("proxy with the expiry notice: %+v, %v", got, err)
	}
	in.Operation = OpNew
	got, _ = Switches{}.Documents(in)
	mustHold(t, "notice for a new issue", got.Refused, "mynumber.documents.notice-renewal-only")
	for _, in := range []DocumentsIn{
		{Regime: Juki, Operation: OpRenew, Channel: ChannelNotice},
		{Regime: MyNumber, Operation: OpRenew, Channel: "fax"},
		{Regime: "passport", Operation: OpRenew, Channel: ChannelSelf},
	} {
		var bad *FieldError
		if _, err := (Switches{}).Documents(in); !errors.As(err, &bad) {
			t.Errorf("%+v: %v", in, err)
		}
	}
}

// Whoever gives a card back is not sent away for want of a proof of identity (law.md 5.6).
func TestGivingACardBackNeedsTheCardAlone(t *testing.T) {
	for law, id := range map[Regime]ID{Juki: "juki.documents.card-returned", MyNumber: "mynumber.documents.card-returned"} {
		for _, c := range []Channel{ChannelSelf, ChannelSelfNoPhoto, ChannelProxy, ChannelRepresentative, ChannelNotice} {
			in := DocumentsIn{Regime: law, Operation: OpRevoke, Channel: c, Returned: true, Shown: bring(DocCard)}
			got, err := Switches{}.Documents(in)
			if err != nil || !got.Accepted() || got.LetterFirst || !got.SameDay {
				t.Errorf("%s, %s: %+v, %v", law, c, got, err)
			}
			mustHold(t, string(c), got.Applied, id)
			in.Shown = bring(DocForm, DocPhotoID)
			if got, _ := (Switches{}).Documents(in); cmp.Diff([]ID{id}, got.Refused) != "" || got.LetterFirst {
				t.Errorf("%s, %s, no card: %+v", law, c, got)
			}
		}
	}
}

// The application lies at the office while its letter of inquiry is under way; nothing else does.
func TestTheFormIsOnFileAtTheSecondVisit(t *testing.T) {
	for law, ids := range map[Regime][2]ID{
		Juki:     {"juki.documents.form-on-file", "juki.documents.form"},
		MyNumber: {"mynumber.documents.form-on-file", "mynumber.documents.form"},
	} {
		first := bring(DocForm, DocCard, DocOtherID, DocMandate, DocSealCertificate, DocProxyPhotoID)
		second := DocumentsIn{
			Regime: law, Operation: OpNew, Channel: ChannelSelfNoPhoto, Letter: "L1", OnFile: LeftWithOffice(first),
			Shown: withLetter(bring(DocCard, DocOtherID), "L1"),
		}
		got, err := Switches{}.Documents(second)
		if err != nil || !got.Accepted() {
			t.Errorf("%s: %+v, %v", law, got, err)
		}
		mustHold(t, string(law), got.Applied, ids[0])
		second.OnFile = LeftWithOffice(first[1:])
		if got, _ := (Switches{}).Documents(second); cmp.Diff([]ID{ids[1]}, got.Refused) != "" {
			t.Errorf("%s, a first visit without the form: %v", law, got.Refused)
		}
		second.OnFile, second.Shown = LeftWithOffice(first), withLetter(nil, "L1")
		if got, _ := (Switches{}).Documents(second); len(got.Refused) != 2 {
			t.Errorf("%s, card and proof of identity are shown each time: %v", law, got.Refused)
		}
	}
}

// Showing one more document never makes anything missing.
func TestMoreDocumentsNeverHurt(t *testing.T) {
	all := []Document{DocForm, DocCard, DocPhotoID, DocOtherID, DocMandate, DocSealCertificate, DocProxyPhotoID, DocRepresentation, DocHandOverNotice}
	rapid.Check(t, func(t *rapid.T) {
		in := DocumentsIn{
			Regime:    rapid.SampledFrom([]Regime{Juki, MyNumber}).Draw(t, "regime"),
			Operation: rapid.SampledFrom(operations).Draw(t, "operation"),
			Channel:   rapid.SampledFrom([]Channel{ChannelSelf, ChannelSelfNoPhoto, ChannelProxy, ChannelRepresentative}).Draw(t, "channel"),
			Shown:     bring(rapid.SliceOfDistinct(rapid.SampledFrom(all), rapid.ID).Draw(t, "shown")...),
		}
		before, err := Switches{}.Documents(in)
		if err != nil {
			t.Fatal(err)
		}
		in.Shown = append(in.Shown, bring(rapid.SampledFrom(all).Draw(t, "more"))...)
		after, _ := Switches{}.Documents(in)
		if len(after.Missing) > len(before.Missing) {
			t.Fatalf("missing %v, then %v", before.Missing, after.Missing)
		}
		if len(after.Missing) != len(after.Refused) {
			t.Fatalf("missing %v but refused %v", after.Missing, after.Refused)
		}
	})
}

// An agent under the juki regime brings the PIN that is to be set, sealed in the answer form (law.md 5.1).
func TestAnAgentBringsThePINUnderASeal(t *testing.T) {
	for _, c := range []struct {
		regime Regime
		op     Operation
		by     Channel
		told   bool
	}{
		{Juki, OpNew, ChannelProxy, true},
		{Juki, OpUnblock, ChannelProxy, true},
		{Juki, OpRevoke, ChannelProxy, false},
		{Juki, OpNew, ChannelSelfNoPhoto, false},
		{MyNumber, OpNew, ChannelProxy, false},
	} {
		got, err := Switches{}.Documents(DocumentsIn{Regime: c.regime, Operation: c.op, Channel: c.by, On: day("2012-12-03")})
		if err != nil || slices.Contains(got.Applied, "juki.documents.pin-under-seal") != c.told {
			t.Errorf("%+v: %v, %v", c, got.Applied, err)
		}
	}
}

func TestFees(t *testing.T) {
	my := func(op Operation, cause Cause, on string, card, express bool) FeeIn {
		return FeeIn{Regime: MyNumber, Operation: op, Cause: cause, On: day(on), Card: card, Certificates: true, Express: express}
	}
	overseas := func(on string, certificates bool) FeeIn {
		return FeeIn{
			Regime: MyNumber, Operation: OpReissue, Cause: CauseOverseas, On: day(on), Card: true,
			Certificates: certificates, Left: day("2024-06-20"),
		}
	}
	for _, c := range []struct {
		name    string
		in      FeeIn
		yen     int
		items   []ID
		refused []ID
	}{
		{"juki new", FeeIn{Regime: Juki, Operation: OpNew}, 500, []ID{"juki.fee.new"}, nil},
		{"juki re-issue", FeeIn{Regime: Juki, Operation: OpReissue}, 500, []ID{"juki.fee.new"}, nil},
		{"juki renewal", FeeIn{Regime: Juki, Operation: OpRenew}, 500, []ID{"juki.fee.renewal"}, nil},
		{"juki revocation", FeeIn{Regime: Juki, Operation: OpRevoke}, 0, []ID{"juki.fee.none"}, nil},
		{"first", my(OpNew, CauseFirst, "2016-01-12", true, false), 0, []ID{"mynumber.fee.first-waived"}, nil},
		{"renewal", my(OpRenew, CauseRenewal, "2020-03-19", false, false), 0, []ID{"mynumber.fee.renewal-waived"}, nil},
		{"after expiry", my(OpNew, CauseExpired, "2020-06-19", false, false), 0, []ID{"mynumber.fee.expired-waived"}, nil},
		{"after a change of name", my(OpNew, CauseRecordChange, "2017-05-10", false, false), 0, []ID{"mynumber.fee.record-change-waived"}, nil},
		{"after an error in the certificate", my(OpNew, CauseError, "2020-05-12", false, false), 0, []ID{"mynumber.fee.certificate-error-waived"}, nil},
		{"fault", my(OpReissue, CauseFault, "2017-05-10", true, false), 0, []ID{"mynumber.fee.fault-waived"}, nil},
		{"loss", my(OpReissue, CauseLoss, "2021-09-01", true, false), 1000, []ID{"mynumber.fee.reissue-card", "mynumber.fee.reissue-certificates"}, nil},
		{"damage", my(OpReissue, CauseDamage, "2021-09-01", true, false), 1000, []ID{"mynumber.fee.reissue-card", "mynumber.fee.reissue-certificates"}, nil},
		{"own wish, certificates only", my(OpReissue, CauseWish, "2021-09-01", false, false), 200, []ID{"mynumber.fee.reissue-certificates"}, nil},
		{"express loss", my(OpReissue, CauseLoss, "2024-12-02", true, true), 2000, []ID{"mynumber.fee.express-card", "mynumber.fee.express-certificates"}, nil},
		{"express first", my(OpCard, CauseFirst, "2024-12-02", true, true), 0, []ID{"mynumber.fee.first-waived"}, nil},
		{"express too early", my(OpReissue, CauseLoss, "2024-12-01", true, true), 1000, []ID{"mynumber.fee.reissue-card", "mynumber.fee.reissue-certificates"}, []ID{"mynumber.fee.express-not-yet"}},
		{"revocation", my(OpRevoke, CauseWish, "2021-09-01", false, false), 0, []ID{"mynumber.fee.none"}, nil},
		{"hand-over", my(OpHandOver, CauseFirst, "2016-01-12", true, false), 0, []ID{"mynumber.fee.none"}, nil},
		{"overseas, the 90th day", overseas("2024-09-18", true), 0, []ID{"mynumber.fee.overseas-90-days-waived"}, nil},
		{"overseas, the 91st", overseas("2024-09-19", true), 1000, []ID{"mynumber.fee.reissue-card", "mynumber.fee.reissue-certificates"}, nil},
		{"overseas, the 91st, card alone", overseas("2024-09-19", false), 800, []ID{"mynumber.fee.reissue-card"}, nil},
	} {
		got := Switches{}.Fee(c.in)
		var items []ID
		sum := 0
		for _, i := range got.Items {
			items, sum = append(items, i.Rule), sum+i.Yen
		}
		if got.Yen != c.yen || sum != c.yen || cmp.Diff(c.items, items) != "" || cmp.Diff(c.refused, got.Refused) != "" {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
	mustHold(t, "express", Switches{}.Fee(my(OpReissue, CauseLoss, "2024-12-02", true, true)).Applied, "mynumber.express.fixed-cases")
	got := Switches{EndFeeWaiver: true}.Fee(my(OpRenew, CauseRenewal, "2030-01-07", false, false))
	if got.Yen != 200 {
		t.Errorf("without the waiver: %+v", got)
	}
	mustHold(t, "without the waiver", got.Applied, "mynumber.fee.waiver-ended")
	for _, cause := range []Cause{CauseFault, CauseError} {
		if got = (Switches{EndFeeWaiver: true}).Fee(my(OpReissue, cause, "2030-01-07", true, false)); got.Yen != 0 {
			t.Errorf("%s without the waiver: %+v", cause, got)
		}
	}
}

// Under the My Number regime an agent needs neither registered seal nor its certificate, and the letter's answer carries the
// mandate; a switch asks for them as the juki regime does (law.md 5.2).
func TestAgentsByRegime(t *testing.T) {
	unsealed := append(bring(DocForm, DocCard, DocProxyPhotoID), Shown{Document: DocMandate})
	first := DocumentsIn{Regime: MyNumber, Operation: OpRenew, Channel: ChannelProxy, Shown: unsealed}
	got, err := Switches{}.Documents(first)
	if err != nil || !got.LetterFirst || len(got.Now) != 0 {
		t.Errorf("first visit: %+v, %v", got, err)
	}
	got, _ = Switches{ProxyNeedsSeal: true}.Documents(first)
	if want := []ID{"mynumber.documents.mandate-seal", "mynumber.documents.seal-certificate"}; cmp.Diff(want, got.Now) != "" {
		t.Errorf("by the switch: %v", got.Now)
	}
	first.Shown = bring(DocForm)
	got, _ = Switches{}.Documents(first)
	if want := []ID{"mynumber.documents.card", "mynumber.documents.mandate", "mynumber.documents.proxy-photo-id"}; cmp.Diff(want, got.Now) != "" {
		t.Errorf("the form alone: %v", got.Now)
	}
	notice := DocumentsIn{
		Regime: MyNumber, Operation: OpRenew, Channel: ChannelNotice, PINsMatch: true,
		Shown: bring(DocCard, DocNoticeAnswer, DocProxyPhotoID),
	}
	if got, err := (Switches{}).Documents(notice); err != nil || !got.Accepted() {
		t.Errorf("the notice's answer form is the application: %+v, %v", got, err)
	}
	notice.Ended = true
	got, _ = Switches{}.Documents(notice)
	mustHold(t, "after the end", got.Refused, "mynumber.documents.notice-renewal-only")
}

// A letter of inquiry lapses by the office's days, and is void after a move (law.md 5.3).
func TestLettersLapse(t *testing.T) {
	for law, id := range map[Regime]string{Juki: "juki", MyNumber: "mynumber"} {
		for _, c := range []struct {
			on    string
			days  int
			moved bool
			want  ID
		}{
			{"2015-12-01", 0, false, ""},
			{"2015-07-01", 30, false, ""},
			{"2015-07-02", 30, false, ".documents.inquiry-answer-lapsed"},
			{"2015-06-15", 14, false, ""},
			{"2015-06-16", 14, false, ".documents.inquiry-answer-lapsed"},
			{"2015-06-03", 0, true, ".documents.inquiry-answer-moved"},
		} {
			in := DocumentsIn{
				Regime: law, Operation: OpNew, Channel: ChannelSelfNoPhoto, Letter: "L1", Posted: day("2015-06-01"), On: day(c.on),
				Moved: c.moved, Shown: withLetter(bring(DocForm, DocCard, DocOtherID), "L1"),
			}
			got, err := Switches{LetterDays: c.days}.Documents(in)
			want := []ID{id + c.want}
			if c.want == "" {
				want = nil
			}
			if err != nil || cmp.Diff(want, got.Refused) != "" || got.LetterFirst {
				t.Errorf("%s %+v: %+v, %v", law, c, got.Refused, err)
			}
		}
	}
	for _, id := range []ID{"juki.documents.inquiry-answer-lapsed", "juki.documents.inquiry-answer-moved", "mynumber.documents.inquiry-answer-lapsed", "mynumber.documents.inquiry-answer-moved"} {
		if r, ok := Lookup(id); !ok || r.NextJA == "" {
			t.Errorf("%s: %+v", id, r)
		}
	}
}

// A member of the household who files the move has the signature certificate issued the same day (law.md 5.5).
func TestHousehold(t *testing.T) {
	papers := bring(DocForm, DocCard, DocSealedMandate, DocProxyPhotoID)
	for _, c := range []struct {
		name     string
		op       Operation
		kinds    []Kind
		withMove bool
		shown    []Shown
		refused  []ID
	}{
		{"with the move", OpNew, []Kind{Sign}, true, papers, nil},
		{"another day", OpNew, []Kind{Sign}, false, papers, []ID{"mynumber.documents.household-with-move"}},
		{"authentication", OpNew, []Kind{Sign, Auth}, true, papers, []ID{"mynumber.documents.household-with-move"}},
		{"another procedure", OpReissue, []Kind{Sign}, true, papers, []ID{"mynumber.documents.household-with-move"}},
		{"an open mandate", OpNew, []Kind{Sign}, true, bring(DocForm, DocCard, DocMandate, DocProxyPhotoID), []ID{"mynumber.documents.sealed-mandate"}},
		{"continued use", OpResidentRecord, nil, false, nil, nil},
	} {
		in := DocumentsIn{
			Regime: MyNumber, Operation: c.op, Channel: ChannelHousehold, Kinds: c.kinds, WithMove: c.withMove, Shown: c.shown,
		}
		got, err := Switches{}.Documents(in)
		if err != nil || cmp.Diff(c.refused, got.Refused) != "" || !got.SameDay {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
	}
	in := DocumentsIn{Regime: MyNumber, Operation: OpResidentRecord, Channel: ChannelHousehold}
	got, _ := Switches{HouseholdMandate: true}.Documents(in)
	mustHold(t, "where the office asks for one", got.Refused, "mynumber.documents.household-mandate")
	in.Shown = bring(DocMandate)
	if got, _ := (Switches{HouseholdMandate: true}).Documents(in); !got.Accepted() {
		t.Errorf("with a mandate: %+v", got)
	}
	if _, err := (Switches{}).Documents(DocumentsIn{Regime: Juki, Operation: OpNew, Channel: ChannelHousehold}); err == nil {
		t.Error("the juki regime knows no such way")
	}
}

// Overseas the holder comes in person, with a photo ID (law.md 2.5); what ends a certificate is never sent away.
func TestDocumentsFromOverseas(t *testing.T) {
	for c, want := range map[Channel][]ID{
		ChannelSelf: nil, ChannelRepresentative: nil,
		ChannelProxy:       {"mynumber.documents.overseas-holder-alone"},
		ChannelNotice:      {"mynumber.documents.overseas-holder-alone"},
		ChannelSelfNoPhoto: {"mynumber.documents.overseas-no-letter"},
	} {
		in := DocumentsIn{
			Regime: MyNumber, Operation: OpRenew, Channel: c, Overseas: true, PINsMatch: true, Letter: "L1",
			Shown: withLetter(bring(DocForm, DocCard, DocPhotoID, DocOtherID, DocProxyPhotoID, DocRepresentation, DocNoticeAnswer), "L1"),
		}
		got, err := Switches{}.Documents(in)
		if err != nil || cmp.Diff(want, got.Refused) != "" {
			t.Errorf("%s: %v, %v", c, got.Refused, err)
		}
		in.Letter, in.Operation = "", OpNew
		if got, _ := (Switches{}).Documents(in); got.LetterFirst {
			t.Errorf("%s: a letter is posted to nowhere", c)
		}
		in.Operation = OpRevoke
		if got, _ := (Switches{}).Documents(in); slices.ContainsFunc(got.Refused, func(id ID) bool { return id == "mynumber.documents.overseas-holder-alone" }) {
			t.Errorf("%s: revoking is sent away", c)
		}
	}
}

// A juki card that bears an address bears a photo, and is a photo ID (muni:Sammu; law.md 5.1).
func TestAPhotoJukiCardIsID(t *testing.T) {
	in := DocumentsIn{
		Regime: Juki, Operation: OpNew, Channel: ChannelSelf, Shown: append(bring(DocForm), Shown{Document: DocCard, AddressCurrent: true}),
	}
	got, err := Switches{}.Documents(in)
	if err != nil || !got.Accepted() {
		t.Errorf("%+v, %v", got, err)
	}
	mustHold(t, "applied", got.Applied, "juki.documents.card-is-photo-id")
	in.Shown = bring(DocForm)
	in.Shown = append(in.Shown, Shown{Document: DocCard})
	if got, _ := (Switches{}).Documents(in); got.Accepted() {
		t.Error("a card without an address is none")
	}
}
