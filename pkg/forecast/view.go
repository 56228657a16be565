package forecast

import (
	"cmp"
	"slices"
)

// learned is from how many days back anything is learned: what was so before says little about tomorrow.
const learned = 3 * 365

// view is a history as it was known at the end of a day; offices that were merged by then are one.
type view struct {
	h       *History
	at      int // the last day known
	from    int // the first day learned from
	offices []int
	place   []int   // of each office of the history, its place in offices
	members [][]int // of each in offices
}

func newView(h *History, at int) *view {
	v := &view{h: h, at: at, from: max(h.first, at-learned+1), place: make([]int, len(h.Offices))}
	into := make([]int, len(h.Offices))
	for i := range into {
		into[i] = i
	}
	for _, m := range h.mergers {
		if m.day <= at {
			into[m.from] = m.into
		}
	}
	for i, o := range into {
		if o == i {
			v.place[i] = len(v.offices)
			v.offices, v.members = append(v.offices, i), append(v.members, []int{i})
		}
	}
	for i, o := range into {
		if o != i {
			v.place[i] = v.place[o]
			v.members[v.place[o]] = append(v.members[v.place[o]], i)
		}
	}
	return v
}

// sort puts the cohorts of all offices in order: by kind, last day and day.
func (h *History) sort() {
	inOrder := func(a, b movement) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.last, b.last), cmp.Compare(a.day, b.day))
	}
	for _, list := range h.cohorts {
		if !slices.IsSortedFunc(list, inOrder) {
			slices.SortStableFunc(list, inOrder)
		}
	}
}

// cohort is the holders at one office whose certificates of one kind end on one day.
type cohort struct {
	kind   uint8
	last   int
	window int
	notice int // the day of the notice, or noDay
	moves  []movement
}

// cohorts calls do for each cohort of an office whose last day lies between two days.
func (v *view) cohorts(office, from, to int, do func(cohort)) {
	lists := make([][]movement, 0, len(v.members[office]))
	for _, m := range v.members[office] {
		lists = append(lists, v.h.cohorts[m])
	}
	list := lists[0]
	if len(lists) > 1 {
		list = slices.Concat(lists...)
		slices.SortStableFunc(list, func(a, b movement) int {
			return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.last, b.last), cmp.Compare(a.day, b.day))
		})
	}
	notices := v.noticeDays(office)
	for begin := 0; begin < len(list); {
		first, end := list[begin], begin+1
		for end < len(list) && list[end].kind == first.kind && list[end].last == first.last {
			end++
		}
		if last := int(first.last); last >= from && last <= to {
			c := cohort{kind: first.kind, last: last, window: windowOf(list[begin:end]), notice: noDay, moves: list[begin:end]}
			if n, ok := notices[cohortKey{first.kind, first.last}]; ok {
				c.notice = n.day()
			}
			do(c)
		}
		begin = end
	}
}

// usualWindow is how long before the last day a window opens where the history does not say.
const usualWindow = 91

func windowOf(moves []movement) int {
	for _, m := range moves {
		if m.window != noDay {
			return int(m.window)
		}
	}
	return int(moves[0].last) - usualWindow
}

type cohortKey struct {
	kind uint8
	last int32
}

// mean is a running mean of days.
type mean struct{ sum, n int }

func (m mean) day() int { return m.sum / m.n }

// noticeDays returns the mean day of the notices of each cohort that was sent any by the view's day.
func (v *view) noticeDays(office int) map[cohortKey]mean {
	days := map[cohortKey]mean{}
	for _, m := range v.members[office] {
		for _, l := range v.h.notices[m] {
			if int(l.day) <= v.at {
				key := cohortKey{l.kind, l.last}
				n := days[key]
				days[key] = mean{n.sum + int(l.day)*int(l.count), n.n + int(l.count)}
			}
		}
	}
	return days
}

// Ages are days from the last day (0) on; before it they are negative. Who comes within them comes because of it.
const (
	youngest = -100
	oldest   = 365
	ages     = oldest - youngest + 1
)

func due(a arrival) bool {
	age := int(a.day) - int(a.last)
	return a.last != noDay && age >= youngest && age <= oldest
}

// classOf is what is forecast together: 0 for visits that a last day announces, else one more than the procedure.
func classOf(a arrival) int {
	if due(a) {
		return 0
	}
	return 1 + int(a.procedure)
}

// counts returns how many people came, by class, office of the view and day from first to last.
func (v *view) counts(first, last int) [][][]float64 {
	all := make([][][]float64, 1+len(v.h.procedures.words))
	for c := range all {
		all[c] = make([][]float64, len(v.offices))
		for o := range all[c] {
			all[c][o] = make([]float64, last-first+1)
		}
	}
	for i, list := range v.h.visits {
		for _, a := range list {
			if int(a.day) >= first && int(a.day) <= last {
				all[classOf(a)][v.place[i]][int(a.day)-first] += float64(a.count)
			}
		}
	}
	return all
}
