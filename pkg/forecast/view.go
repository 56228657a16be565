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

// inOrder compares two movements, by kind, last day and day.
func inOrder(a, b movement) int {
	return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.last, b.last), cmp.Compare(a.day, b.day))
}

func lettersInOrder(a, b letter) int {
	return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.last, b.last), cmp.Compare(a.day, b.day))
}

// sort puts the cohorts and notices of all offices in order, which what they are read from may have done already.
func (h *History) sort() error {
	return each(len(h.Offices), func(_, o int) {
		if !slices.IsSortedFunc(h.cohorts[o], inOrder) {
			slices.SortStableFunc(h.cohorts[o], inOrder)
		}
		if !slices.IsSortedFunc(h.notices[o], lettersInOrder) {
			slices.SortStableFunc(h.notices[o], lettersInOrder)
		}
	})
}

// joined returns the lists of some offices as one, in order.
func joined[T any](lists [][]T, members []int, order func(a, b T) int) []T {
	if len(members) == 1 {
		return lists[members[0]]
	}
	var all []T
	for _, m := range members {
		all = append(all, lists[m]...)
	}
	slices.SortStableFunc(all, order)
	return all
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
func (v *view) cohorts(office, from, to int, do func(*cohort)) {
	list := joined(v.h.cohorts, v.members[office], inOrder)
	letters := joined(v.h.notices, v.members[office], lettersInOrder)
	for begin := 0; begin < len(list); {
		first, end := list[begin], begin+1
		for end < len(list) && list[end].kind == first.kind && list[end].last == first.last {
			end++
		}
		if last := int(first.last); last >= from && last <= to {
			c := cohort{kind: first.kind, last: last, window: windowOf(list[begin:end]), moves: list[begin:end]}
			c.notice, letters = v.noticeDay(letters, first)
			do(&c)
		}
		begin = end
	}
}

// noticeDay returns the mean day of the notices that a cohort was sent by the view's day, and the letters from those on.
func (v *view) noticeDay(letters []letter, of movement) (int, []letter) {
	for len(letters) > 0 && (letters[0].kind < of.kind || letters[0].kind == of.kind && letters[0].last < of.last) {
		letters = letters[1:]
	}
	sum, n := 0, 0
	for _, l := range letters {
		if l.kind != of.kind || l.last != of.last || int(l.day) > v.at {
			break
		}
		sum, n = sum+int(l.day)*int(l.count), n+int(l.count)
	}
	if n == 0 {
		return noDay, letters
	}
	return sum / n, letters
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
