package question

import (
	"slices"
	"time"

	"shomei/pkg/civil"
	"shomei/pkg/regime"
)

// byHand answers an application as somebody would who has read law.md and neither package regime nor this one: it asks
// them nothing but how days are counted.
func byHand(s regime.Switches, a asked) answered {
	h := hand{asked: a, s: s}
	h.kindsMeant()
	no := !h.regimeThere() || !h.personMay() || !h.heldFits()
	last, fits := h.terms()
	no = no || !fits
	yen, payable := h.fee()
	no = no || !payable
	complete, letterFirst := h.papersFit()
	switch {
	case no:
		return answered{}
	case letterFirst:
		return answered{Letter: true}
	case !complete:
		return answered{}
	}
	if !h.issues() {
		last, yen = nil, 0
	}
	return answered{Accepted: true, Yen: yen, Last: last}
}

type hand struct {
	asked
	s     regime.Switches
	about []regime.Kind
}

func (h *hand) issues() bool {
	return h.op == regime.OpNew || h.op == regime.OpRenew || h.op == regime.OpReissue
}

func (h *hand) end(k regime.Kind) civil.Date {
	if k == regime.Auth {
		return h.auth
	}
	return h.sign
}

func (h *hand) lives(k regime.Kind) bool { return !h.end(k).IsZero() && !h.end(k).Before(h.day) }
func (h *hand) gone(k regime.Kind) bool  { return !h.end(k).IsZero() && h.end(k).Before(h.day) }

// kindsMeant: those named; else all for an issue, those in force otherwise, and those that expired when a renewal finds none.
func (h *hand) kindsMeant() {
	all := []regime.Kind{regime.Auth, regime.Sign}
	if h.juki {
		all = []regime.Kind{regime.Sign}
	}
	for _, k := range all {
		named := slices.Contains(h.kinds, k)
		if h.kinds == nil && h.op != regime.OpRenew {
			named = h.issues() || h.lives(k)
		} else if h.kinds == nil {
			named = h.lives(k) || h.gone(k) && !h.lives(regime.Auth) && !h.lives(regime.Sign)
		}
		if named {
			h.about = append(h.about, k)
		}
	}
	if h.kinds == nil && len(h.about) == 2 && h.issues() && !h.entitled(regime.Sign) {
		h.about = h.about[:1]
	}
}

// regimeThere: juki issue to 2015-12-22, revocation and PINs to 2018-12-21; the My Number card from 2016.
func (h *hand) regimeThere() bool {
	if !h.juki {
		return true
	}
	if h.issues() {
		return !h.day.After(civil.New(2015, 12, 22))
	}
	return !h.day.After(civil.New(2018, 12, 21))
}

func (h *hand) here() bool { return h.person.Registered && h.person.Municipality == "12237" }

func (h *hand) age() int {
	b := h.person.BirthDate
	years := h.day.Year - b.Year
	if h.day.Month < b.Month || h.day.Month == b.Month && h.day.Day < b.Day {
		years--
	}
	return years
}

func (h *hand) abroad() bool { return !h.person.Overseas.IsZero() && !h.day.Before(h.person.Overseas) }

func (h *hand) byParent() bool { return h.channel == regime.ChannelRepresentative }

func (h *hand) minorOrWard() bool { return h.age() < 15 || h.person.AdultWard }

// entitled: whether this person may have a certificate of the kind at this office.
func (h *hand) entitled(k regime.Kind) bool {
	switch {
	case !h.here():
		return false
	case h.abroad() && (h.juki || h.day.Before(civil.New(2024, 5, 27))):
		return false
	case h.person.Foreign && h.juki && h.day.Before(civil.New(2013, 7, 8)):
		return false
	case h.person.Foreign && !h.juki && !h.person.StayUntil.IsZero() && h.day.After(h.stays()):
		return false
	case !h.minorOrWard():
		return true
	case k == regime.Auth:
		return h.byParent()
	}
	return h.granted == "clerk-2" && !h.s.NoSpecialCircumstances
}

func (h *hand) stays() civil.Date {
	if h.person.StayPending {
		return h.person.StayUntil.AddMonthsClamped(2)
	}
	return h.person.StayUntil
}

// grown: an adult, who has no legal representative: 20, from 2022-04-01 18.
func (h *hand) grown() bool {
	if h.day.Before(civil.New(2022, 4, 1)) {
		return h.age() >= 20
	}
	return h.age() >= 18
}

func (h *hand) personMay() bool {
	represented := !h.byParent() || !h.grown() || h.person.AdultWard
	switch {
	case h.issues():
		return represented && len(h.about) > 0 && !slices.ContainsFunc(h.about, func(k regime.Kind) bool { return !h.entitled(k) })
	case h.op == regime.OpUnblock && !h.juki:
		return represented && h.here() && (!h.minorOrWard() || h.byParent())
	}
	return true
}

// heldFits: no second certificate beside one in force; a renewal in its time; something to revoke or unblock.
func (h *hand) heldFits() bool {
	switch h.op {
	case regime.OpNew:
		return !slices.ContainsFunc(h.about, func(k regime.Kind) bool { return h.lives(k) && !h.moves(k) })
	case regime.OpRenew:
		return !slices.ContainsFunc(h.about, func(k regime.Kind) bool { return h.end(k).IsZero() || h.day.Before(h.renewableFrom(k)) })
	case regime.OpReissue:
		return true
	}
	return h.returned || slices.ContainsFunc(h.about, h.lives)
}

// moves: what is to end with a move that was filed may be replaced until then.
func (h *hand) moves(k regime.Kind) bool {
	return h.leaving != "" && k == regime.Sign || h.leaving == LeavingContinued
}

func (h *hand) renewableFrom(k regime.Kind) civil.Date {
	switch {
	case h.juki && h.s.JukiWindowMonths == 0:
		return civil.Date{Year: 1, Month: 1, Day: 1}
	case h.abroad() && !h.juki:
		return h.end(k).AddMonthsClamped(-12).AddDays(1)
	}
	return h.window(h.end(k))
}

// window is the first day of the three months before a last day.
func (h *hand) window(last civil.Date) civil.Date {
	first := last.AddMonthsClamped(-3).AddDays(1)
	for !h.juki && h.s.WindowForwards && !first.AddMonthsClamped(3).After(last) {
		first = first.AddDays(1)
	}
	return first
}

func (h *hand) open(last civil.Date) bool { return !h.day.After(last) && !h.day.Before(h.window(last)) }

// birthday is the nth birthday after the day.
func (h *hand) birthday(n int) civil.Date {
	b := h.person.BirthDate
	in := func(year int) civil.Date {
		d := civil.Date{Year: year, Month: b.Month, Day: b.Day}
		if !d.Valid() && h.s.LeapBirthdayOnMarch1 {
			return civil.New(year, time.March, 1)
		} else if !d.Valid() {
			d.Day = 28
		}
		return d
	}
	for year := h.day.Year; ; year++ {
		if d := in(year); d.After(h.day) || d == h.day && h.s.BirthdayOfIssueCounts {
			return in(year + n - 1)
		}
	}
}

func earliest(days ...civil.Date) (first civil.Date) {
	for _, d := range days {
		if !d.IsZero() && (first.IsZero() || d.Before(first)) {
			first = d
		}
	}
	return first
}

// terms: the last days of what is issued; false when one would lie before the issue, or gains nothing where that is refused.
func (h *hand) terms() (last map[regime.Kind]string, fits bool) {
	last, fits = map[regime.Kind]string{}, true
	if !h.issues() {
		return last, true
	}
	card := h.cardLast
	if h.newCard && !h.juki {
		card = h.newCardEnds()
		fits = !card.Before(h.day)
	}
	auth := civil.Date{}
	if h.lives(regime.Auth) {
		auth = h.auth
	}
	for _, k := range h.about {
		end := h.ends(k, card, auth)
		if k == regime.Auth {
			auth = end
		}
		renewed := h.op == regime.OpRenew && h.lives(k) && !h.juki
		if end.Before(h.day) || renewed && h.s.RefuseGainlessRenewal && !end.After(h.end(k)) {
			fits = false
		}
		last[k] = end.String()
	}
	return last, fits
}

func (h *hand) newCardEnds() civil.Date {
	years := 5
	if h.grown() {
		years = 10
	}
	if h.op == regime.OpRenew && !h.cardLast.IsZero() && h.open(h.cardLast) {
		years++
	}
	return earliest(h.birthday(years), h.person.StayUntil)
}

func (h *hand) ends(k regime.Kind, card, auth civil.Date) civil.Date {
	if h.juki { // three years, the last of them the day before
		end := h.day.AddYearsClamped(3)
		if end.Day == h.day.Day {
			end = end.AddDays(-1)
		}
		return end
	}
	n := 5
	renews := h.op == regime.OpRenew || h.op == regime.OpNew && h.lives(k) && h.leaving == LeavingContinued
	if renews && h.open(h.end(k)) {
		n = 6
	}
	if k == regime.Auth {
		return earliest(h.birthday(n), card)
	}
	return earliest(h.birthday(n), card, auth)
}

// fee: 500 yen for a juki certificate; else free but for loss, damage and wish: 800 (1,800 express) for the card, 200 for the
// certificates. Express issue begins on 2024-12-02.
func (h *hand) fee() (yen int, payable bool) {
	switch {
	case !h.issues():
		return 0, true
	case h.juki:
		return 500, true
	case h.express && h.day.Before(civil.New(2024, 12, 2)):
		return 0, false
	}
	free := h.cause == "" && !(h.op == regime.OpReissue && (h.newCard || slices.ContainsFunc(h.about, h.lives)))
	if h.s.EndFeeWaiver {
		free = false
	}
	if free || h.cause == regime.CauseFault {
		return 0, true
	}
	switch {
	case h.newCard && h.express:
		yen = 1800
	case h.newCard:
		yen = 800
	}
	return yen + 200, true
}

func (h *hand) paper(d regime.Document) (regime.Shown, bool) {
	for _, s := range h.shown {
		if s.Document == d {
			return s, true
		}
	}
	return regime.Shown{}, false
}

func (h *hand) has(list ...regime.Document) bool {
	return !slices.ContainsFunc(list, func(d regime.Document) bool { _, ok := h.paper(d); return !ok })
}

// papersFit: whether what was shown suffices, or a letter of inquiry is posted first.
func (h *hand) papersFit() (complete, letterFirst bool) {
	card, hasCard := h.paper(regime.DocCard)
	if h.returned {
		return hasCard, false
	}
	needsCard := h.op != regime.OpRevoke && (!h.newCard || h.juki || h.op == regime.OpRenew)
	base := (hasCard || !needsCard) && (h.has(regime.DocForm) || h.channel == regime.ChannelNotice)
	id, hasID := h.paper(regime.DocPhotoID)
	far := h.abroad() && !h.juki && h.op != regime.OpRevoke
	switch h.channel {
	case regime.ChannelSelf:
		return base && (hasID && id.AddressCurrent || hasCard && card.AddressCurrent), false
	case regime.ChannelRepresentative:
		return base && h.has(regime.DocRepresentation, regime.DocProxyPhotoID), false
	case regime.ChannelSelfNoPhoto:
		return base && h.answered() && h.has(regime.DocOtherID) && !far, h.letter == "" && !far
	case regime.ChannelProxy:
		seal := h.juki || h.s.ProxyNeedsSeal
		mandate, mandated := h.paper(regime.DocMandate)
		proxy := h.has(regime.DocProxyPhotoID)
		if seal {
			proxy = proxy && mandated && mandate.RegisteredSeal && h.has(regime.DocSealCertificate)
		} else if h.letter == "" {
			proxy = proxy && mandated
		}
		first := proxy && (h.juki || hasCard || !needsCard)
		return base && proxy && h.answered() && !far, h.letter == "" && first && !far
	case regime.ChannelNotice:
		renews := h.op == regime.OpRenew && !slices.ContainsFunc(h.about, h.gone)
		ok := base && h.has(regime.DocNoticeAnswer, regime.DocProxyPhotoID) && renews && h.pins
		posted := renews && !h.pins && h.has(regime.DocNoticeAnswer, regime.DocProxyPhotoID)
		return ok && !far, posted && h.letter == "" && !far
	}
	issue := h.op == regime.OpNew || h.op == regime.OpRenew
	alone := slices.Equal(h.about, []regime.Kind{regime.Sign})
	return base && h.has(regime.DocSealedMandate, regime.DocProxyPhotoID) && issue && alone && h.withMove && !far, false
}

// answered: the answer to the letter that was posted, on a later day, in its time, to where the holder still lives.
func (h *hand) answered() bool {
	answer, ok := h.paper(regime.DocInquiryAnswer)
	late := h.s.LetterDays > 0 && h.day.After(h.posted.AddDays(h.s.LetterDays))
	return ok && h.letter != "" && answer.Letter == h.letter && h.day.After(h.posted) && !h.moved && !late
}
