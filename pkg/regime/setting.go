package regime

import (
	"fmt"
	"slices"
	"strconv"

	"shomei/pkg/civil"
)

// Setting is a named reading of the law, or a number or day of an office, that an operator sets.
type Setting struct {
	Name     string // its name in the configuration
	JA, EN   string // what it does
	ByOffice bool   // offices may differ in it
	Rules    []ID   // the rules that apply because of it, or instead
	flag     func(*Switches) *bool
	number   func(*Switches) *int
	most     int // the largest value of a number
	day      func(*Switches) *civil.Date
}

var settings = []Setting{
	{Name: "leap_birthday_in_march", JA: "2月29日の誕生日を、平年は3月1日とする", EN: "a birthday on 29 February counts on 1 March in common years", flag: func(s *Switches) *bool { return &s.LeapBirthdayOnMarch1 }, Rules: []ID{leapFebruary, leapMarch}},
	{Name: "window_forwards", JA: "更新の受付開始を、残り3か月未満になる日とする", EN: "the renewal window opens when fewer than three months remain, counted forwards", flag: func(s *Switches) *bool { return &s.WindowForwards }, Rules: []ID{windowBack, windowForward}},
	{Name: "birthday_of_issue_counts", JA: "発行の日の誕生日も数える", EN: "a birthday on the day of issue is counted", flag: func(s *Switches) *bool { return &s.BirthdayOfIssueCounts }, Rules: []ID{birthdayExcluded, birthdayCounted}},
	{Name: "end_fee_waiver", JA: "当分の間の無料の取扱いを終える", EN: "the standing waiver of fees has ended", flag: func(s *Switches) *bool { return &s.EndFeeWaiver }, Rules: []ID{feeFirst, feeRenewal, feeExpired, feeWaiverEnded}},
	{Name: "juki_window_months", JA: "住基の更新を、満了のこの月数前から受け付ける(0: いつでも)", EN: "juki renewals from so many months before the end (0: at any time)", ByOffice: true, number: func(s *Switches) *int { return &s.JukiWindowMonths }, most: 36, Rules: []ID{jukiNoWindow, jukiMunicipalWindow}},
	{Name: "no_special_circumstances", JA: "15歳未満の方などの特別な事情を認めない", EN: "special circumstances are never accepted", ByOffice: true, flag: func(s *Switches) *bool { return &s.NoSpecialCircumstances }, Rules: []ID{jukiSpecial, special}},
	{Name: "juki_card_caps", JA: "住基の電子証明書をカードの期間で終える", EN: "a juki certificate ends with its card's own term", ByOffice: true, flag: func(s *Switches) *bool { return &s.JukiCardCaps }, Rules: []ID{jukiCardApart, jukiCardCap}},
	{Name: "move_out_ends_at_filing", JA: "署名用を転出届の時に失効させる", EN: "a move within Japan ends the signature certificate at its filing", flag: func(s *Switches) *bool { return &s.MoveOutEndsAtFiling }, Rules: []ID{MoveOnItsDay}},
	{Name: "proxy_needs_seal", JA: "マイナンバーカードの任意代理人にも実印と印鑑登録証明書を求める", EN: "agents need the registered seal and its certificate under the My Number regime, too", ByOffice: true, flag: func(s *Switches) *bool { return &s.ProxyNeedsSeal }, Rules: []ID{myDocMandateSeal, myDocSealCertificate}},
	{Name: "household_mandate", JA: "同一世帯員の継続利用にも委任状を求める", EN: "a member of the household needs a mandate for continued use", ByOffice: true, flag: func(s *Switches) *bool { return &s.HouseholdMandate }, Rules: []ID{myDocHouseholdMandate}},
	{Name: "refuse_gainless_renewal", JA: "最終日の延びない更新を受け付けない", EN: "a renewal that gains no day is refused", ByOffice: true, flag: func(s *Switches) *bool { return &s.RefuseGainlessRenewal }, Rules: []ID{GainsNothing}},
	{Name: "fifteen_at_issue", JA: "工場のカードで15歳かどうかを、申請日でなく発行日で判断する", EN: "whether the applicant for a factory's card is 15 is judged at its issue", ByOffice: true, flag: func(s *Switches) *bool { return &s.FifteenAtIssue }, Rules: []ID{under15}},
	{Name: "phone_loss_spares_auth", JA: "電話による紛失の後に見つかったカードの利用者証明用を、一時停止から戻す", EN: "an authentication certificate suspended by telephone is released with its card", flag: func(s *Switches) *bool { return &s.PhoneLossSparesAuth }, Rules: []ID{foundAuthReleased}},
	{Name: "letter_days", JA: "照会書兼回答書の回答期限、郵送からの日数(0: 期限なし)", EN: "days for which a letter of inquiry is good (0: without end)", ByOffice: true, number: func(s *Switches) *int { return &s.LetterDays }, most: 366, Rules: []ID{jukiDocAnswerLapsed, myDocAnswerLapsed}},
	{Name: "submission_from_next_day", JA: "カード提出の90日を届出の翌日から数える", EN: "the 90 days for submitting the card are counted from the day after the filing", flag: func(s *Switches) *bool { return &s.SubmissionFromNextDay }, Rules: []ID{card90, card90NextDay}},
	{Name: "plan_birthday_month", JA: "次期カードの案を、plan_from の日から用いる", EN: "the draft of the next card holds from plan_from on", flag: func(s *Switches) *bool { return &s.PlanBirthdayMonth }, Rules: []ID{planTenthBirthday}},
	{Name: "plan_from", JA: "その最初の日", EN: "the first day of that", day: func(s *Switches) *civil.Date { return &s.PlanFrom }, Rules: []ID{planTenthBirthday}},
}

// Settings returns every setting, in the order of the documentation. The caller owns the slice.
func Settings() []Setting { return slices.Clone(settings) }

// SettingNamed returns the setting of that name in the configuration.
func SettingNamed(name string) (Setting, bool) {
	i := slices.IndexFunc(settings, func(x Setting) bool { return x.Name == name })
	if i < 0 {
		return Setting{}, false
	}
	return settings[i], true
}

// Of returns the value of the setting in s as Set parses it; "" for a day that is not set.
func (x Setting) Of(s Switches) string {
	switch {
	case x.flag != nil:
		return strconv.FormatBool(*x.flag(&s))
	case x.number != nil:
		return strconv.Itoa(*x.number(&s))
	}
	return x.day(&s).String()
}

// Set sets the setting in s: true or false, a whole number, or a day. Any other value is a *FieldError.
func (x Setting) Set(s *Switches, value string) error {
	switch {
	case x.flag != nil && (value == "true" || value == "false"):
		*x.flag(s) = value == "true"
	case x.flag != nil:
		return Unknown(x.Name, "true, false")
	case x.number != nil:
		n, err := strconv.Atoi(value)
		if err != nil || n < 0 || n > x.most {
			return x.outOfRange()
		}
		*x.number(s) = n
	default:
		on, err := civil.Parse(value)
		if err != nil {
			return &FieldError{Field: x.Name, JA: "日付を YYYY-MM-DD の形で書いてください。", EN: "write a day as YYYY-MM-DD"}
		}
		*x.day(s) = on
	}
	return nil
}

func (x Setting) outOfRange() error {
	return &FieldError{
		Field: x.Name, JA: fmt.Sprintf("0 から %d までの整数を書いてください。", x.most), EN: fmt.Sprintf("write a whole number from 0 to %d", x.most),
	}
}

// Check returns a *FieldError that names a setting that makes no sense, or nil.
func (s Switches) Check() error {
	for _, x := range settings {
		if x.number == nil {
			continue
		}
		if n := *x.number(&s); n < 0 || n > x.most {
			return x.outOfRange()
		}
	}
	if s.PlanBirthdayMonth != !s.PlanFrom.IsZero() {
		return &FieldError{
			Field: "plan_from", JA: "plan_birthday_month と plan_from は一緒に書いてください。", EN: "plan_birthday_month and plan_from need each other",
		}
	}
	return nil
}
