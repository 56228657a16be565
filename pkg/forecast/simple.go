package forecast

// simple are the three forecasters that take no learning, as of a day: who comes is who came in the same week of last year; or whose
// certificates end in the week; or whose certificates end so many days later as people came before theirs ended, in the middle of the
// last year, and as large a share of them as came then. The last two take all other visits from last year.
type simple struct {
	*past
	at    int
	ends  [][]float64 // holders by office and last day, from first on
	first int
	lead  int
	share float64
}

// yearAgo is how many days lie between a week and the same week of last year.
const yearAgo = 364

func newSimple(p *past, at int) *simple {
	s := &simple{past: p, at: at, first: at - yearAgo - 2*oldest, ends: make([][]float64, len(p.h.Offices))}
	length := at + 7*horizons[len(horizons)-1] + oldest - s.first + 1
	for o, list := range p.h.cohorts {
		s.ends[o] = make([]float64, length)
		for _, m := range list {
			if i := int(m.last) - s.first; int(m.day) <= at && m.cause != byVisit && i >= 0 && i < length {
				s.ends[o][i] += float64(m.count)
			}
		}
	}
	s.learn()
	return s
}

// learn takes the median lead time and the share of the last year.
func (s *simple) learn() {
	leads, came, ended := make([]float64, ages), 0.0, 0.0
	for _, list := range s.h.visits {
		for _, a := range list {
			if due(a) && int(a.day) <= s.at && int(a.day) > s.at-yearAgo {
				leads[int(a.day)-int(a.last)-youngest] += float64(a.count)
				came += float64(a.count)
			}
		}
	}
	if m := quantileOf(leads, 0.5); m != noDay {
		s.lead = -(m + youngest)
	}
	for o := range s.ends {
		for day := s.at - yearAgo + 1 + s.lead; day <= s.at+s.lead; day++ {
			ended += s.ends[o][day-s.first]
		}
	}
	s.share = ratioOr0(came, ended)
}

// guess returns what each of the three says about all visits to some offices in a week, and about those that a last day announces.
func (s *simple) guess(offices []int, from int) (all, due [3]float64) {
	for _, o := range offices {
		other := 0.0
		for c := range s.actual {
			y, _ := s.came(c, o, from-yearAgo)
			if c == 0 {
				due[0] += y
			} else {
				other += y
			}
		}
		due[1] += sum(s.ends[o][from-s.first : from-s.first+7])
		due[2] += s.share * sum(s.ends[o][from+s.lead-s.first:from+s.lead-s.first+7])
		for i := range all {
			all[i] += other
		}
	}
	for i := range all {
		all[i] += due[i]
	}
	return all, due
}
