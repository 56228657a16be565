package story

import (
	"fmt"
	"strings"

	"shomei/events"
	"shomei/pkg/ca"
	"shomei/pkg/civil"
	"shomei/pkg/namekey"
	"shomei/pkg/regime"
)

// officeReading is an office being defined.
type officeReading struct{ definition *events.OfficeDefined }

func officeDetails() []entry[*officeReading] {
	return []entry[*officeReading]{
		{"municipality", "市区町村", "CODE NAME ROMAJI", "5桁の市区町村コードと名称。/ Five-digit code, name, romaji (Sammu-shi).", readMunicipality},
		{"branch", "支所", "", "本庁ではなく支所である。/ It is a branch, not the main office.", func(_ *words, o *officeReading) { o.definition.Branch = true }},
		{"effective", "適用日", "DATE", "この定めの適用日。/ The day from which this definition holds.", func(w *words, o *officeReading) {
			o.definition.EffectiveFrom = w.date("the effective date").String()
		}},
		{"hours", "開庁時間", "HH:MM-HH:MM… [WEEKDAY…] [for OPERATION…] [from DATE] [until DATE]", "毎週の開庁時間。なければ月~金 09:00-17:00。曜日は月…日またはMon…Sun。/ Weekly hours; without any, Monday to Friday 09:00-17:00. Weekdays are Mon…Sun or 月…日.", readHours},
		{"closed", "閉庁", "DATE [HH:MM] until DATE [HH:MM] [for OPERATION…]", "臨時の閉庁。/ Closed against the rule.", func(w *words, o *officeReading) { readException(w, o, false) }},
		{"maintenance", "保守", "DATE [HH:MM] until DATE [HH:MM] [for OPERATION…]", "システムの保守による停止。/ Work stopped for maintenance of the system.", readMaintenance},
		{"open", "臨時開庁", "DATE [HH:MM] until DATE [HH:MM] [for OPERATION…]", "臨時の開庁。/ Open against the rule.", func(w *words, o *officeReading) { readException(w, o, true) }},
		{"does", "取扱い", "OPERATION… [from DATE [HH:MM]] [until DATE [HH:MM]]", "取扱期間。untilの時刻からは扱わない。/ Does these operations from, and no longer from until.", readTerm},
		{"last-acceptance", "最終受付", "DATE HH:MM", "住基カードの最終受付。/ Juki applications end here at this instant.", func(w *words, o *officeReading) {
			o.definition.LastAcceptanceMs = w.instant("the last acceptance", civil.Clock(17, 0)).UnixMilli()
		}},
		{"law", "法令", "SETTING VALUE", "この役所の法令の読み方。/ How this office reads the law: " + ownSettings() + ".", readLaw},
		{"telephone", "電話", "NUMBER", "問合せ先。/ Its telephone number.", func(w *words, o *officeReading) { o.definition.Telephone = w.next("a number") }},
	}
}

// ownSettings lists the settings in which offices may differ, as a story writes them.
func ownSettings() string {
	var names []string
	for _, x := range regime.Settings() {
		if x.ByOffice {
			names = append(names, strings.ReplaceAll(x.Name, "_", "-"))
		}
	}
	return strings.Join(names, ", ")
}

func readLaw(w *words, o *officeReading) {
	name := strings.ReplaceAll(w.next("a setting"), "-", "_")
	value := w.narrow("its value")
	setting, ok := regime.SettingNamed(name)
	if w.err == nil && (!ok || !setting.ByOffice) {
		w.fail("write one of: "+ownSettings(), "an office can't set %q", name)
		return
	}
	if named := map[string]string{"yes": "true", "はい": "true", "no": "false", "いいえ": "false"}[value]; named != "" {
		value = named
	}
	var law regime.Switches
	if w.err == nil && setting.Set(&law, value) != nil {
		w.fail("write yes, no or a number", "%q is no value for %s", value, name)
	}
	o.definition.Settings = append(o.definition.Settings, &events.LawSetting{Name: name, Value: value})
}

// municipality reads the code of a municipality, or "".
func (w *words) municipality() string {
	code := w.narrow("a municipality code")
	if w.err == nil && (len(code) != 5 || strings.Trim(code, "0123456789") != "") {
		w.fail("write its five digits, without the check digit", "%q is no municipality code", code)
	}
	if w.err != nil {
		return ""
	}
	return code
}

func readMunicipality(w *words, o *officeReading) {
	code := w.municipality()
	if code == "" {
		return
	}
	prefecture, err := ca.PrefectureByCode(code[:2])
	if err != nil {
		w.fail("codes begin with 01 to 47", "%q is no municipality code", code)
	}
	b := o.definition
	b.Municipality, b.Prefecture, b.PrefectureRomaji = code, prefecture.Japanese, prefecture.Romaji
	b.Name, b.MunicipalityRomaji = w.next("the name"), w.next("the name in romaji")
}

func readHours(w *words, o *officeReading) {
	h := &events.Hours{}
	for opens, closes, ok := hoursAhead(w); ok; opens, closes, ok = hoursAhead(w) {
		span := w.next("opening hours")
		from, err := timeOfDay(opens)
		to, badEnd := timeOfDay(closes)
		if err != nil || badEnd != nil || to <= from {
			w.fail("write them like 09:00-17:00", "%q are no opening hours", span)
			return
		}
		h.Spans = append(h.Spans, &events.Span{OpensMinute: uint32(from), ClosesMinute: uint32(to)})
	}
	if len(h.Spans) == 0 {
		w.fail("write them like 09:00-17:00", "the hours are missing")
	}
	for day, known := weekdayNamed(w.peek()); known; day, known = weekdayNamed(w.peek()) {
		h.Weekdays = append(h.Weekdays, uint32(day))
		w.next("a weekday")
	}
	h.Operations = forOperations(w)
	if w.accept("from", "から") {
		h.From = w.date("the first day").String()
	}
	if w.accept("until", "まで") {
		h.Until = w.date("the last day").String()
	}
	o.definition.Hours = append(o.definition.Hours, h)
}

// hoursAhead returns both ends of the opening hours if they come next.
func hoursAhead(w *words) (opens, closes string, ok bool) {
	opens, closes, ok = strings.Cut(civil.HalfWidth(w.peek()), "-")
	return opens, closes, ok && isClock(opens)
}

func forOperations(w *words) []string {
	if !w.accept("for", "対象") {
		return nil
	}
	return readWorkings(w)
}

func readWorkings(w *words) []string {
	var list []string
	for _, op := range some(w, "an operation", workings) {
		list = append(list, string(op))
	}
	return list
}

func readException(w *words, o *officeReading, open bool) {
	from := w.instant("the beginning", 0)
	if !w.accept("until", "まで") {
		w.fail("add: until DATE [HH:MM]", "the end is missing")
	}
	until := w.instant("the end", civil.Clock(24, 0))
	operations := forOperations(w)
	if w.err == nil && !until.After(from) {
		w.fail("swap them", "the end is not after the beginning")
	}
	o.definition.Exceptions = append(o.definition.Exceptions, &events.HoursException{
		FromMs: from.UnixMilli(), UntilMs: until.UnixMilli(), Open: open, Operations: operations,
	})
}

func readMaintenance(w *words, o *officeReading) {
	readException(w, o, false)
	o.definition.Exceptions[len(o.definition.Exceptions)-1].RuleId = string(civil.ClosedMaintenance)
}

func readTerm(w *words, o *officeReading) {
	t := &events.Term{Operations: readWorkings(w)}
	if w.accept("from", "から") {
		t.BeginsMs = w.instant("the beginning", 0).UnixMilli()
	}
	if w.accept("until", "まで") {
		t.EndsMs = w.instant("the end", 0).UnixMilli()
	}
	o.definition.Terms = append(o.definition.Terms, t)
}

// personDetails are the details of a person, also used for a change.
func personDetails() []entry[*Resident] {
	return []entry[*Resident]{
		{"name", "氏名", "FAMILY GIVEN", "住民票の氏名。/ The name on the resident record.", func(w *words, p *Resident) { p.Name = strings.Join(w.rest("a name"), "\u3000") }},
		{"furigana", "フリガナ", "FAMILY GIVEN", "氏名のフリガナ。かたかなかひらがな。/ The name in kana, katakana or hiragana.", readKana},
		{"alias", "通称", "ALIAS…|none", "住民票の通称。なくなればnone。/ An alias on the resident record; none when it is taken away.", readAlias},
		{"birth", "生年月日", "DATE", "生年月日(1950-00-00のように不明な月日は00)。/ Birth date; unknown parts are 00.", readBirth},
		{"sex", "性別", "male|female|unknown", "性別。/ Sex: " + inWords(sexes) + ".", func(w *words, p *Resident) { p.Sex = pick(w, "a sex", sexes) }},
		{"address", "住所", "ADDRESS", "住所(都道府県から)。/ Address, from the prefecture on.", func(w *words, p *Resident) { p.Address = strings.Join(w.rest("an address"), "\u3000") }},
		{"lives-in", "住所地", "CODE", "住民票のある市区町村のコード。転出すると予定日から、転入するまで、どこの住民でもない。/ Code of the municipality that keeps the record: none from the planned day of a move-out on, that of the office after a move-in.", readLivesIn},
		{"registered", "登録", "yes|no", "住民基本台帳に記録されている。/ Stands in the resident register.", func(w *words, p *Resident) { p.Registered = yes(w) }},
		{"adult-ward", "成年被後見人", "yes|no", "成年被後見人である。/ Is an adult ward.", func(w *words, p *Resident) { p.AdultWard = yes(w) }},
		{"foreign", "外国籍", "yes|no", "外国人住民である。/ Is a foreign resident.", func(w *words, p *Resident) { p.Foreign = yes(w) }},
		{"stay-until", "在留期限", "DATE|none", "在留期間の満了日。/ Last day of the period of stay.", readStay},
		{"stay-pending", "特例期間", "yes|no", "在留期間の更新を申請中である。/ The renewal of the stay is pending.", func(w *words, p *Resident) { p.StayPending = yes(w) }},
		{"overseas-on", "国外転出日", "DATE", "国外へ転出した日。/ Day of moving abroad.", func(w *words, p *Resident) { p.OverseasOn = w.date("the day").String() }},
		{"mail", "電子メール", "ADDRESS", "通知の宛先。なければ通知は送れない。/ Where notices go; without one they can't be sent.", readMail},
		{"language", "言語", "ja|en", "通知の言語。/ Language of notices.", func(w *words, p *Resident) {
			p.Language = pick(w, "a language", []term[string]{{"ja", "日本語", "ja"}, {"en", "英語", "en"}})
		}},
		{"code", "住民票コード", "DIGITS", "住民票コード。なければ物語が決める。/ Resident-record code; otherwise the story makes one.", readCode},
	}
}

func yes(w *words) bool {
	return pick(w, "yes or no", []term[bool]{{"yes", "はい", true}, {"no", "いいえ", false}})
}

func readBirth(w *words, p *Resident) {
	if partial, err := civil.ParsePartial(civil.HalfWidth(w.peek())); err == nil && !partial.IsZero() && !partial.Known() {
		p.BirthDate = w.narrow("a birth date")
		return
	}
	p.BirthDate = w.date("the birth date").String()
}

func readKana(w *words, p *Resident) {
	typed := strings.Join(w.rest("furigana"), "\u3000")
	kana, ok := namekey.Kana(typed)
	if !ok {
		w.fail("write katakana or hiragana", "%q has something else than kana", typed)
	}
	p.Kana = kana
}

func readAlias(w *words, p *Resident) {
	if w.accept("none", "なし") {
		p.Alias = ""
		return
	}
	p.Alias = strings.Join(w.rest("an alias"), "\u3000")
}

func readCode(w *words, p *Resident) {
	p.Code = w.narrow("a code")
	if w.err == nil && (len(p.Code) != 11 || strings.Trim(p.Code, "0123456789") != "") {
		w.fail("write its eleven digits", "%q is no resident-record code", p.Code)
	}
}

func readLivesIn(w *words, p *Resident) {
	p.Municipality = w.municipality()
	if p.LeavesOn != "" {
		p.LeavesOn, p.Registered = "", true
	}
}

func readStay(w *words, p *Resident) {
	if w.accept("none", "なし") {
		p.PeriodOfStay = ""
		return
	}
	p.PeriodOfStay = w.date("the last day of the stay").String()
}

func readMail(w *words, p *Resident) {
	p.Mail = w.next("an address")
	if w.err == nil && (strings.Count(p.Mail, "@") != 1 || !strings.HasSuffix(p.Mail, ".example")) {
		w.fail("write one like hanako@mail.example: names that end in .example are nobody's", "%q is no mail address for a story", p.Mail)
	}
}

func applicationDetails() []entry[*Application] {
	return append(factoryDetails(), []entry[*Application]{
		{"shows", "提示", "DOCUMENT…", "示した書類。/ What is shown: " + inWords(documents) + ".", func(w *words, a *Application) {
			a.Documents = append(a.Documents, each(w, "a document", documents)...)
		}},
		{"by", "申請者", "self|proxy|legal-representative|household-member", "誰が来たか。/ Who comes: " + inWords(channels) + ".", func(w *words, a *Application) { a.Channel = pick(w, "who comes", channels) }},
		{"card", "カード", "CARD [juki|mynumber]", "使うカード。新しいカードなら種類も。/ The card; its kind when it is new.", readCard},
		{"takes-back", "引換え", "CARD", "引換えに受け取る旧カード。/ The old card given in exchange.", func(w *words, a *Application) { a.TakenBack = cardID(w) }},
		{"clerk", "受付職員", "NUMBER", "受付の職員の番号。ほかの呼び名には、物語の役所が決まった番号を付ける。/ The number of the clerk who takes it in; somebody called otherwise gets one from the story's office, the same each time.", func(w *words, a *Application) { a.Clerk = w.next("a clerk") }},
		{"received", "受付時刻", "HH:MM", "受け付けた時刻を後から入力する(その日のうち)。/ The time of receipt, entered by the clerk later on that day.", readReceived},
		{"special-circumstances", "特別な事情", "granted-by OFFICER", "特別な事情を認めた職員の番号(呼び名でもよい)。/ Special circumstances, and the number (or a name) of who granted them.", readSpecial},
		{"because", "理由", "CAUSE", "理由。/ Why: " + inWords(causes) + ".", func(w *words, a *Application) { a.Cause = string(pick(w, "a cause", causes)) }},
		{"express", "特急", "", "特急発行。/ Express issue.", func(_ *words, a *Application) { a.Express = true }},
		{"pins", "暗証番号", "PIN…", "設定し直す暗証番号。/ The PINs to be set anew: " + inWords(pins) + ".", func(w *words, a *Application) { a.Pins = each(w, "a PIN", pins) }},
		{"types", "入力", "PIN VALUE", "本人が入れる暗証番号(なければABC123と1234)。/ What the resident types (otherwise ABC123 and 1234).", func(w *words, a *Application) { readTypes(w, &a.SignPIN, &a.AuthPIN) }},
		{"notice-pins", "通知書の暗証番号", "match|differ", "有効期限通知書に封入された暗証番号。/ The PINs inside the expiry notice's envelope.", readNoticePINs},
		{"returns-letter", "回答書持参", "", "照会書兼回答書を持参し、待たせた申請を続ける。/ Goes on with the application that waits for the letter.", func(_ *words, a *Application) { a.ReturnsLetter = true }},
		{"paper-copy", "写し", "", "電子証明書の写しを渡す。/ The paper copy is handed over.", func(_ *words, a *Application) { a.PaperCopy = true }},
		{"worn-card", "カード故障", "", "このカードには電子証明書を書き込めない。/ The chip of this card takes no certificates any more.", func(_ *words, a *Application) { a.Worn = true }},
		{"until", "途中まで", "accepted|written", "受理または書込みまでで止める。/ Stops there instead of going through to the hand-over.", func(w *words, a *Application) {
			a.Until = pick(w, "where to stop", []term[Stage]{{"accepted", "受理", Accepted}, {"written", "書込み", Written}})
		}},
	}...)
}

func factoryDetails() []entry[*Application] {
	return []entry[*Application]{
		{"kinds", "種類", "KIND…", "電子証明書の種類。なければ法の許すすべて。/ Kinds of certificate: " + inWords(kinds) + "; otherwise all that the law allows.", func(w *words, a *Application) {
			a.Kinds = each(w, "a kind of certificate", kinds)
		}},
	}
}

// madeDetails are the details of a card that the factory makes.
func madeDetails() []entry[*Application] {
	return append(factoryDetails(), entry[*Application]{
		"applied", "申請日", "DATE", "カードの申請を受け付けた日。年齢と手数料はその日で決まる。なければ製造の日。/ The day on which the card was applied for, by which age and fee are judged; otherwise the day on which it is made.",
		func(w *words, a *Application) { a.AppliedOn = w.date("the day of the application").String() },
	})
}

func cardID(w *words) string {
	id := w.narrow("the number of a card")
	if w.err == nil && (!events.ValidID(id) || len(id) > 32) {
		w.fail("write at most 32 letters, digits and -", "%q is no number of a card", id)
	}
	return id
}

func readCard(w *words, a *Application) {
	a.Card = cardID(w)
	if !w.empty() {
		a.CardKind = pick(w, "a kind of card", cardKinds)
	}
}

func readReceived(w *words, a *Application) {
	if t := w.clock("the time of receipt"); w.err == nil {
		a.ReceivedAt = fmt.Sprintf("%02d:%02d", int(t)/60, int(t)%60)
	}
}

func readSpecial(w *words, a *Application) {
	if !w.accept("granted-by", "承認") {
		w.fail("add: granted-by OFFICER", "the granting officer is missing")
	}
	a.SecondOfficer = w.next("an officer")
	a.SpecialCircumstances = "granted"
}

func readTypes(w *words, sign, auth *string) {
	into := auth
	if pick(w, "a PIN", pins) == events.PinKind_PIN_KIND_SIGN {
		into = sign
	}
	*into = w.next("what is typed")
}

func readNoticePINs(w *words, a *Application) {
	a.NoticeAnswer = true
	a.PINsMatch = pick(w, "whether they match", []term[bool]{{"match", "一致", true}, {"differ", "不一致", false}})
}

func finishDetails() []entry[*Finish] {
	return []entry[*Finish]{
		{"paper-copy", "写し", "", "電子証明書の写しを渡す。/ The paper copy is handed over.", func(_ *words, f *Finish) { f.PaperCopy = true }},
		{"types", "入力", "PIN VALUE", "本人が入れる暗証番号(なければABC123と1234)。/ What the resident types (otherwise ABC123 and 1234).", func(w *words, f *Finish) { readTypes(w, &f.SignPIN, &f.AuthPIN) }},
	}
}

// changeDetails are the details of a change: when it happened, and the record after it.
func changeDetails() []entry[*Change] {
	list := []entry[*Change]{
		{"happened", "異動日", "DATE", "異動の日。なければ届出の日。/ The day of the change; otherwise that of the filing.", func(w *words, c *Change) { c.CausedOn = w.date("the day").String() }},
		{"planned", "予定日", "DATE", "転出の予定日。/ The planned day of a move.", func(w *words, c *Change) { c.PlannedOn = w.date("the planned day").String() }},
		{"keeps-using", "継続利用", "", "カードを添えて届け、使い続ける(転入・国外転出)。転出取消では、継続利用も取り消す。/ The card goes with it and stays in use; with a move called off, its continued use is undone as well.", func(_ *words, c *Change) { c.KeepUsing = true }},
	}
	for _, d := range personDetails() {
		list = append(list, entry[*Change]{d.en, d.ja, d.form, d.help, func(w *words, c *Change) { d.read(w, &c.Person) }})
	}
	return list
}
