package histories

import (
	"math"
	"math/rand/v2"
	"time"

	"gonum.org/v1/gonum/stat/distuv"

	"shomei/pkg/civil"
)

// row is what one line of the CSV counts. Days are days of the run; absent is -1.
type row struct {
	what                   string
	day, office            int
	kind, procedure        string
	lastDay, window, since int
}

const absent = -1

// run lives a world.
type run struct {
	*World
	dice  *rand.Rand
	first civil.Date // day 0
	days  []civil.Date
	open  [][]bool // by office and day
	late  []float64
	// moveSeason and pinSeason are by day.
	moveSeason, pinSeason []float64
	rows                  map[row]int
	texts                 map[int]string // of days
}

// reach is how far beyond the last day certificates last that are issued on it.
const reach = 7*366 + 30

func (w *World) live() *run {
	r := &run{World: w, dice: rand.New(rand.NewPCG(w.Seed, 0x11fe)), first: w.Begin.AddDays(-youth), rows: map[row]int{}, texts: map[int]string{}}
	r.days = make([]civil.Date, w.length()+reach)
	for i := range r.days {
		r.days[i] = r.first.AddDays(i)
		r.moveSeason = append(r.moveSeason, season(r.days[i], time.March, 28, w.MoveSeason))
		r.pinSeason = append(r.pinSeason, season(r.days[i], time.February, 24, w.PINSeason))
	}
	r.openDays()
	r.drawWeeks()
	for office := range w.Offices {
		r.settle(office)
		r.forgetPINs(office)
	}
	return r
}

// count counts one thing, if its day is counted. What was issued before that has no day.
func (r *run) count(one row) {
	switch {
	case one.day >= r.length():
		return
	case one.day < youth && one.what != "issued":
		return
	case one.day < youth:
		one.day = absent
	}
	r.rows[one]++
}

func (r *run) openDays() {
	r.open = make([][]bool, len(r.Offices))
	for i, o := range r.Offices {
		r.open[i] = make([]bool, len(r.days))
		for d, day := range r.days {
			r.open[i][d] = civil.WorkingDay(day) && int(day.Weekday()) != o.Closed || o.Sundays && secondSunday(day)
		}
		for _, s := range r.Storms {
			if s.Prefecture == o.Municipality[:2] {
				r.open[i][s.Day] = false
			}
		}
	}
}

func secondSunday(d civil.Date) bool {
	return d.Weekday() == time.Sunday && d.Day > 7 && d.Day <= 14 && !civil.YearEnd(d)
}

// drawWeeks draws how many people put their visit off, week by week: a mood that lasts for some weeks.
func (r *run) drawWeeks() {
	r.late = make([]float64, len(r.days)/7+1)
	mood := 0.0
	for i := range r.late {
		mood = 0.7*mood + 0.7*r.dice.NormFloat64()
		r.late[i] = min(0.8, r.PutOff*math.Exp(mood))
	}
}

// settle gives an office its holders: a flow of first certificates, and the waves.
func (r *run) settle(office int) {
	yearly := r.Offices[office].Holders / 6
	for d := range r.length() {
		mean := yearly / 365 * (1 - (1-r.Saturation)*float64(d)/float64(r.length()))
		for _, w := range r.Waves {
			x := float64(d-w.Middle) / float64(w.Width)
			mean += yearly * w.Size * math.Exp(-x*x/2) / (float64(w.Width) * math.Sqrt(2*math.Pi))
		}
		for range r.poisson(mean) {
			r.person(office, d)
		}
	}
}

func (r *run) poisson(mean float64) int {
	if mean <= 0 {
		return 0
	}
	return int(distuv.Poisson{Lambda: mean, Src: r.dice}.Rand())
}

// holder is one person.
type holder struct {
	office   int
	kind     string
	birthday civil.Date
	from     int
	last     int
}

func (r *run) person(office, day int) {
	h := holder{office: office, kind: "auth sign", birthday: civil.New(1980, 1, 1).AddDays(r.dice.IntN(365))}
	if chance(r.dice, r.Children) {
		h.kind = "auth"
	}
	day = r.visitDay(h.office, day)
	r.count(row{what: "visit", day: day, office: r.placeOn(h.office, day), kind: h.kind, procedure: "hand-over", lastDay: absent, window: absent, since: absent})
	h.from, h.last = day, r.birthdayAfter(day, h.birthday, 5)
	for h.from < r.length() && r.next(&h) {
	}
}

// birthdayAfter returns the day of the nth birthday after a day.
func (r *run) birthdayAfter(day int, birthday civil.Date, n int) int {
	if day >= len(r.days) {
		return day + 365*n
	}
	on := r.days[day]
	next := civil.Date{Year: on.Year, Month: birthday.Month, Day: min(birthday.Day, 28)}
	if !next.After(on) {
		next.Year++
	}
	next.Year += n - 1
	return r.first.DaysUntil(next)
}

func (r *run) windowOf(last int) int {
	return r.first.DaysUntil(r.first.AddDays(last).AddMonthsClamped(-3)) + 1
}

// next lives one certificate to its end, and reports whether another follows.
func (r *run) next(h *holder) bool {
	window := r.windowOf(h.last)
	died := h.from + r.wait(r.Death)
	moved := r.moveAfter(h.from)
	lost := h.from + r.wait(r.Loss)
	comes := r.intends(h, window)
	gone := h.last + 365
	if comes == absent {
		comes = math.MaxInt
	}
	switch first := min(died, moved, lost, comes, gone); first {
	case comes:
		return r.renews(h, comes)
	case moved:
		return r.moves(h, moved)
	case lost:
		return r.loses(h, lost)
	case died:
		if died <= h.last {
			r.ended(h, died, "death")
		} else {
			r.held(h, died)
		}
		return false
	default:
		r.held(h, gone)
		return false // never came
	}
}

// held counts a certificate as issued; not if it had ended before anything was counted.
func (r *run) held(h *holder, until int) {
	if h.from >= youth || until >= youth {
		r.count(row{
			what: "issued", day: h.from, office: r.placeOn(h.office, h.from), kind: h.kind, lastDay: h.last, window: r.windowOf(h.last), since: absent,
		})
	}
}

// wait draws how long something takes that happens so many times a year.
func (r *run) wait(yearly float64) int { return 1 + int(r.dice.ExpFloat64()*365/yearly) }

// moveAfter draws the day of the next move; most are in late March and early April.
func (r *run) moveAfter(day int) int {
	top := r.Move * r.MoveSeason
	for {
		day += r.wait(top)
		if day >= len(r.days) || chance(r.dice, r.moveSeason[day]/r.MoveSeason) {
			return day
		}
	}
}

// season is 1 far from a day of the year and peak on it.
func season(d civil.Date, month time.Month, day int, peak float64) float64 {
	far := math.Abs(float64(civil.New(d.Year, month, day).DaysUntil(d)))
	far = min(far, 365-far)
	return 1 + (peak-1)*math.Exp(-far*far/(2*12*12))
}

func (r *run) ended(h *holder, day int, cause string) {
	r.held(h, day)
	r.count(row{what: "ended", day: day, office: r.placeOn(h.office, day), kind: h.kind, procedure: cause, lastDay: h.last, window: absent, since: absent})
}

// moves has a person appear at another office: the certificate goes with them.
func (r *run) moves(h *holder, day int) bool {
	if day > h.last { // moves without a certificate
		r.held(h, day)
		return false
	}
	r.ended(h, day, "moved")
	h.office = r.dice.IntN(len(r.Offices))
	day = r.visitDay(h.office, day+1+r.dice.IntN(14))
	if day > h.last {
		return false
	}
	r.count(row{what: "visit", day: day, office: r.placeOn(h.office, day), kind: h.kind, procedure: "continue-use", lastDay: absent, window: absent, since: absent})
	h.from = day
	return true
}

func (r *run) loses(h *holder, day int) bool {
	if day > h.last {
		r.held(h, day)
		return false
	}
	r.ended(h, day, "loss")
	day = r.visitDay(h.office, day+1+int(r.dice.ExpFloat64()*20))
	r.count(row{what: "visit", day: day, office: r.placeOn(h.office, day), kind: h.kind, procedure: "reissue", lastDay: absent, window: absent, since: absent})
	h.from, h.last = day, r.birthdayAfter(day, h.birthday, 5)
	return true
}

// intends draws the day on which somebody means to come for their next certificate; absent if never.
func (r *run) intends(h *holder, window int) int {
	habits := r.at(float64(h.last-youth) / float64(r.length()-youth))
	o := r.Offices[h.office]
	notice := absent
	if !chance(r.dice, r.NoticeMissing) {
		notice = r.noticeDay(o, window)
	}
	if h.from > window { // moved here within the window
		window, notice = h.from+1, absent
	}
	if notice != absent && notice > h.from {
		r.count(row{what: "notice", day: notice, office: r.placeOn(h.office, notice), kind: h.kind, lastDay: h.last, window: absent, since: absent})
	}
	come := r.habit(habits, o.Lean, window, notice, h.last)
	if come == absent {
		return absent
	}
	return r.postponed(max(come, window))
}

func (r *run) habit(h Habits, lean float64, window, notice, last int) int {
	prompt := h.Prompt * lean
	sum := (h.Early + prompt + h.Deadline + h.Late) / (h.Early + h.Prompt + h.Deadline + h.Late)
	switch u := r.dice.Float64() * sum; {
	case u < h.Early:
		return window + int(r.dice.ExpFloat64()*h.EarlyIn)
	case u < h.Early+prompt && notice != absent:
		return notice + 1 + int(h.PromptAfter*math.Exp(h.PromptSpread*r.dice.NormFloat64()))
	case u < h.Early+prompt+h.Deadline:
		return last - int(r.dice.ExpFloat64()*h.DeadlineBefore)
	case u < h.Early+prompt+h.Deadline+h.Late:
		return last + 1 + int(r.dice.ExpFloat64()*h.LateAfter)
	}
	return absent
}

// noticeDay is when the notice of a window arrives: in some offices days, in others weeks later, always on a Thursday.
func (r *run) noticeDay(o Office, window int) int {
	lag := o.Lag
	if window >= o.LagChanges {
		lag = o.LagLater
	}
	day := window + int(lag)
	for r.first.AddDays(day).Weekday() != time.Thursday {
		day++
	}
	return day
}

// postponed is the day on which somebody comes who meant to come on another: moods and lulls put it off.
func (r *run) postponed(day int) int {
	if day >= r.length() {
		return day
	}
	if chance(r.dice, r.late[day/7]) {
		day += 7 + r.dice.IntN(15)
	}
	for r.Lull.Day > 0 && day >= r.Lull.Day && chance(r.dice, r.Lull.Size*math.Exp2(-float64(day-r.Lull.Day)/r.Lull.HalfLife)) {
		day += 7 + r.dice.IntN(21)
	}
	return day
}

// visitDay is the first day from a day on that suits: the office is open, and people like it.
func (r *run) visitDay(office, day int) int {
	for ; day < r.length(); day++ {
		at := r.placeOn(office, day)
		if !r.open[at][day] {
			continue
		}
		like := r.Weekday[r.days[day].Weekday()]
		if day > 0 && !r.open[at][day-1] {
			like *= r.AfterClosure
		}
		if chance(r.dice, like/1.3) {
			return day
		}
	}
	return day
}

// placeOn is the office that does an office's work on a day.
func (r *run) placeOn(office, day int) int {
	if o := r.Offices[office]; o.MergedOn > 0 && day >= o.MergedOn {
		return o.Into
	}
	return office
}

// renews has somebody come, perhaps in vain, and reports whether they have a new certificate.
func (r *run) renews(h *holder, day int) bool {
	day = r.visitDay(h.office, day)
	r.held(h, day)
	one := row{what: "visit", day: day, office: r.placeOn(h.office, day), kind: h.kind, procedure: "renew", lastDay: h.last, window: absent, since: absent}
	if day > h.last {
		one.procedure = "issue"
	}
	if chance(r.dice, r.Refused) {
		one.what = "refused"
		r.count(one)
		if !chance(r.dice, r.Returns) {
			return false
		}
		one.what, one.since = "returned", day
		day = r.visitDay(h.office, day+1+int(r.dice.ExpFloat64()*r.ReturnAfter))
		one.day, one.office = day, r.placeOn(h.office, day)
		if day > h.last {
			one.procedure = "issue"
		}
	}
	r.count(one)
	birthdays := 6
	if day > h.last {
		birthdays = 5
	}
	h.from, h.last = day, r.birthdayAfter(day, h.birthday, birthdays)
	return true
}

// forgetPINs counts PIN resets: in the tax season more, and in a rush many times as many.
func (r *run) forgetPINs(office int) {
	for d := youth; d < r.length(); d++ {
		mean := r.Offices[office].Holders * r.PINs / 365 * r.pinSeason[d]
		if r.Rush.Day > 0 && d >= r.Rush.Day {
			mean *= 1 + r.Rush.Size*math.Exp2(-float64(d-r.Rush.Day)/r.Rush.HalfLife)
		}
		for range r.poisson(mean) {
			day := r.visitDay(office, d)
			one := row{what: "visit", day: day, office: r.placeOn(office, day), procedure: "unblock", lastDay: absent, window: absent, since: absent}
			if chance(r.dice, r.Refused/2) {
				one.what = "refused"
			}
			r.count(one)
		}
	}
}
