package story

import (
	"cmp"
	"path"
	"strings"
	"time"

	"shomei/events"
	"shomei/pkg/civil"
)

// statements are the words that begin a line at the left edge.
func statements() []entry[*reading] {
	return []entry[*reading]{
		{"story", "物語", "TITLE…", "表題。最初の文。/ The title; the first statement.", readStory},
		{"office", "役所", "NAME", "役所(本庁・支所)を定める。名は英小文字、数字、-。後で同じ名を書けば定め直す。/ Defines an office, named in a-z, 0-9 and -; said again it is redefined.", readOffice},
		{"person", "人物", "NAME", "人物を紹介する。後で同じ名を書けば、書いた項目だけ改まる。/ Introduces a person; said again, what stands under it changes.", readPerson},
		{"at", "日時", "DATE [HH:MM]", "その時まで時計を進める(時刻がなければ10:00)。/ Sets the clock forward (10:00 when no time stands there).", readAt},
		{"wait", "経過", "N days|weeks|months|years", "時を経過させる(日・週・月・年)。/ Lets time pass; the time of day stays.", readWait},
		{"apply", "申請", "PERSON OPERATION at OFFICE", "窓口での申請。/ An application at a counter: " + inWords(operations) + ".", readApply},
		{"factory", "工場", "PERSON card CARD", "工場でカードと電子証明書を作る。/ The factory makes card and certificates.", readFactory},
		{"confirm", "本人確認", "PERSON", "残した申請について本人が同意し暗証番号を入れる。書込みまで進む(手渡しは hand-out)。/ The resident confirms an application that was left at accepted; it goes on to written, then comes hand-out.", readConfirm},
		{"hand-out", "手渡し", "PERSON", "残した申請のカードを手渡す。/ Hands over what was left at written.", readHandOut},
		{"drop", "取下げ", "PERSON", "残した申請を取り下げる。/ Drops an application that was left.", readDrop},
		{"change", "異動", "PERSON CHANGE [at OFFICE]", "住民票の異動。/ A change of the resident record: " + inWords(changes) + ".", readChange},
		{"lose", "紛失", "PERSON [at OFFICE]", "紛失の届出。役所がなければ電話で。/ Reports the card lost, by telephone unless an office is named.", readLose},
		{"find", "発見", "PERSON at OFFICE", "紛失したカードが見つかった届出。/ Reports the card found again.", readFind},
		{"phone", "スマホ", "PERSON ACT DEVICE [PLATFORM] [KIND…] [at OFFICE]", "スマートフォンの電子証明書。役所がなければスマートフォンから(紛失は電話で)。/ Certificates on a smartphone, from the phone itself (a loss by telephone) unless an office is named: " + inWords(phoneActs) + "; " + inWords(platforms) + ".", readPhone},
		{"order", "職権", "PERSON ORDER [KIND…]", "認証局の職権による失効。/ The authority revokes: " + inWords(orders) + ".", readOrder},
		{"block-pin", "ロック", "PERSON PIN… at OFFICE", "暗証番号を続けて誤り、ロックさせる。/ Types PINs wrongly until they are blocked.", readBlock},
		{"look", "点検", "PERSON", "何もせず、確認だけする。/ Nothing happens; what stands under it is looked at.", readLook},
	}
}

func readStory(w *words, r *reading) {
	if r.title != "" {
		w.fail("write it into a file of its own", "a second story begins here")
	}
	for i, word := range w.rest("a title") {
		if i > 0 {
			r.title += " "
		}
		r.title += word
	}
	if len(r.block.details) > 0 {
		w.fail("begin a statement of its own for it", "the title can't have details")
	}
}

func readAt(w *words, r *reading) {
	to := w.instant("the day", civil.Clock(10, 0))
	if w.err == nil && to.Before(r.now) {
		w.fail("put the statement where its time comes; here it is "+minute(r.now), "the clock never goes back")
	}
	if w.err == nil {
		r.now = to
	}
	r.step.Act = &SetClock{to}
	under[any](r, nil, nil, "")
}

var spans = []term[[3]int]{
	{"days", "日", [3]int{0, 0, 1}},
	{"day", "日間", [3]int{0, 0, 1}},
	{"weeks", "週", [3]int{0, 0, 7}},
	{"week", "週間", [3]int{0, 0, 7}},
	{"months", "か月", [3]int{0, 1, 0}},
	{"month", "月", [3]int{0, 1, 0}},
	{"years", "年", [3]int{1, 0, 0}},
	{"year", "年間", [3]int{1, 0, 0}},
}

func readWait(w *words, r *reading) {
	n := w.number("how long", 100*366)
	span := pick(w, "a span of time", spans)
	wait := &Wait{n * span[0], n * span[1], n * span[2]}
	if r.now.IsZero() {
		w.fail("say first when the story begins: at DATE", "the story has no time yet")
	}
	if w.err == nil {
		r.now = wait.After(r.now)
	}
	r.step.Act = wait
	under[any](r, nil, nil, "")
}

// After returns the time after the wait: years and months by the calendar, clamped to the month's end.
func (w *Wait) After(from time.Time) time.Time {
	day := civil.Of(from)
	since := from.Sub(day.StartInstant())
	return day.AddMonthsClamped(12*w.Years + w.Months).AddDays(w.Days).StartInstant().Add(since)
}

func readOffice(w *words, r *reading) {
	name := w.next("a name")
	o := &officeReading{definition: &events.OfficeDefined{EffectiveFrom: "2000-01-01"}}
	under(r, officeDetails(), o, "")
	b := o.definition
	switch {
	case w.err != nil || len(r.wrong) > 0:
	case b.Municipality == "":
		w.fail("add a line: municipality CODE NAME ROMAJI", "office %s has no municipality", name)
	case !validName(name) || !events.ValidID(b.Municipality+"-"+name):
		w.fail("write it in a-z, 0-9 and -", "%q is no name for an office", name)
	}
	if b.Telephone == "" {
		b.Telephone = "0000-00-0000" // notices need a number
	}
	if len(b.Hours) == 0 {
		b.Hours = []*events.Hours{{Spans: []*events.Span{{OpensMinute: 9 * 60, ClosesMinute: 17 * 60}}}}
	}
	id := b.Municipality + "-" + name
	r.offices[name] = id
	r.step.Act = &Office{ID: id, Definition: b}
}

func validName(name string) bool {
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return name != "" && len(name) <= 40
}

func readPerson(w *words, r *reading) {
	name := w.next("a name")
	who, known := r.persons[name]
	if !known {
		who = Resident{Nick: name, Code: residentCode(path.Base(r.file), name), Registered: true, Sex: 3, Language: "ja"}
	}
	under(r, personDetails(), &who, name)
	switch {
	case w.err != nil || len(r.wrong) > 0:
	case who.Name == "":
		w.fail("add a line: name FAMILY GIVEN", "person %s has no name", name)
	case who.BirthDate == "":
		w.fail("add a line: birth DATE", "person %s has no birth date", name)
	case who.Address == "":
		w.fail("add a line: address …", "person %s has no address", name)
	case who.Municipality == "":
		w.fail("add a line: lives-in CODE", "person %s lives in no municipality", name)
	}
	r.persons[name] = who
	r.step.Act = &Facts{who}
}

func readApply(w *words, r *reading) {
	who := r.person(w)
	a := &Application{Person: who, Operation: pick(w, "an operation", operations), Channel: events.Channel_CHANNEL_SELF}
	office, ok := r.at(w)
	if !ok {
		w.fail("add: at OFFICE", "the office is missing")
	}
	a.Office = office
	under(r, applicationDetails(), a, who.Nick)
	if len(r.wrong) == 0 {
		a.CardKind = r.kindOf(w, a.Card, a.CardKind)
	}
	r.step.Act = a
}

func readFactory(w *words, r *reading) {
	who := r.person(w)
	a := &Application{
		Person: who, Operation: events.Operation_OPERATION_FACTORY_ISSUE, Clerk: "factory-1",
		Channel: events.Channel_CHANNEL_SELF, CardKind: events.CardKind_CARD_KIND_MYNUMBER,
	}
	if !w.accept("card", "カード") {
		w.fail("add: card CARD", "the card is missing")
	}
	a.Card = cardID(w)
	under(r, madeDetails(), a, who.Nick)
	r.kindOf(w, a.Card, a.CardKind)
	r.step.Act = a
}

func readConfirm(w *words, r *reading) { r.finish(w, Confirm) }
func readHandOut(w *words, r *reading) { r.finish(w, HandOut) }
func readDrop(w *words, r *reading)    { r.finish(w, Drop) }

func (r *reading) finish(w *words, step FinishStep) {
	who := r.person(w)
	f := &Finish{Person: who, Step: step}
	under(r, finishDetails(), f, who.Nick)
	r.step.Act = f
}

func readChange(w *words, r *reading) {
	who := r.person(w)
	c := &Change{Person: who, Change: pick(w, "a change", changes)}
	c.Office, _ = r.at(w)
	switch c.Change {
	case events.RecordChange_RECORD_CHANGE_DEATH, events.RecordChange_RECORD_CHANGE_DELETED, events.RecordChange_RECORD_CHANGE_OUT_OF_SCOPE,
		events.RecordChange_RECORD_CHANGE_MOVE_OVERSEAS:
		c.Person.Registered = c.Change == events.RecordChange_RECORD_CHANGE_MOVE_OVERSEAS
	case events.RecordChange_RECORD_CHANGE_MOVE_CALLED_OFF:
		c.Person.Registered, c.Person.OverseasOn, c.Person.LeavesOn = true, "", ""
	case events.RecordChange_RECORD_CHANGE_MOVE_IN:
		c.Person.Registered, c.Person.OverseasOn, c.Person.LeavesOn = true, "", ""
		if c.Office != "" {
			c.Person.Municipality, _, _ = strings.Cut(c.Office, "-") // people who move in file at their new municipality
		}
	}
	under(r, changeDetails(), c, who.Nick)
	r.leaves(c)
	r.persons[who.Nick] = c.Person
	r.step.Act = c
}

// leaves sets the day from which a person who moves is in no register, or lives abroad.
func (r *reading) leaves(c *Change) {
	today := ""
	if !r.now.IsZero() {
		today = civil.Of(r.now).String()
	}
	switch c.Change {
	case events.RecordChange_RECORD_CHANGE_MOVE_OUT:
		c.Person.LeavesOn = cmp.Or(c.PlannedOn, today)
	case events.RecordChange_RECORD_CHANGE_MOVE_OVERSEAS:
		c.CausedOn = cmp.Or(c.CausedOn, c.PlannedOn)
		c.Person.OverseasOn = cmp.Or(c.Person.OverseasOn, c.CausedOn, today)
	}
}

func readLose(w *words, r *reading) {
	who := r.person(w)
	report := &Notification{Person: who}
	report.Office, _ = r.at(w)
	under[any](r, nil, nil, who.Nick)
	r.step.Act = report
}

func readFind(w *words, r *reading) {
	who := r.person(w)
	office, ok := r.at(w)
	if !ok {
		w.fail("add: at OFFICE", "the office is missing")
	}
	under[any](r, nil, nil, who.Nick)
	r.step.Act = &Notification{Person: who, Found: true, Office: office}
}

func readPhone(w *words, r *reading) {
	who := r.person(w)
	p := &Phone{Person: who, Step: pick(w, "an act", phoneActs), Device: deviceID(w)}
	if p.Step == RegisterPhone {
		p.Platform = pick(w, "a platform", platforms)
	}
	if p.Step == RegisterPhone && knows(kinds, w.peek()) {
		p.Kinds = some(w, "a kind of certificate", kinds)
	}
	office, ok := r.at(w)
	if p.Office = office; ok && p.Step == RegisterPhone {
		w.fail("leave the office out", "a smartphone makes its keys itself and applies for them itself")
	}
	under[any](r, nil, nil, who.Nick)
	r.step.Act = p
}

func readOrder(w *words, r *reading) {
	who := r.person(w)
	o := &Order{Person: who, Reason: pick(w, "an order", orders)}
	if !w.empty() {
		o.Kinds = each(w, "a kind of certificate", certificateKinds)
	}
	under[any](r, nil, nil, who.Nick)
	r.step.Act = o
}

func readBlock(w *words, r *reading) {
	who := r.person(w)
	b := &Block{Person: who, Pins: some(w, "a PIN", pins)}
	office, ok := r.at(w)
	if !ok {
		w.fail("add: at OFFICE", "the office is missing")
	}
	b.Office = office
	under[any](r, nil, nil, who.Nick)
	r.step.Act = b
}

func readLook(w *words, r *reading) {
	who := r.person(w)
	under[any](r, nil, nil, who.Nick)
	r.step.Act = &Look{who}
}
