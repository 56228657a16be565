package forecast

// Forecast is what is expected at some offices on some days, with what is known of its errors.
type Forecast struct {
	view        *view
	first, days int
	flows       []flow
	known       known
	bands       *bands
}

// flow is the expected visits of one kind for one procedure, by office and day.
type flow struct {
	class, kind, procedure int
	mean                   []float32
}

// add adds a share of some visits to a flow.
func (f *Forecast) add(class, kind, procedure int, visits []float32, share float64) {
	if share == 0 {
		return
	}
	for i := range f.flows {
		if z := &f.flows[i]; z.class == class && z.kind == kind && z.procedure == procedure {
			for j, x := range visits {
				z.mean[j] += x * float32(share)
			}
			return
		}
	}
	f.flows = append(f.flows, flow{class, kind, procedure, make([]float32, len(visits))})
	f.add(class, kind, procedure, visits, share)
}

// due adds the visits that a last day announces.
func (f *Forecast) due(p *projection) {
	for kind := range p.due.shares {
		for phase := range 2 {
			for procedure, share := range p.due.shares[kind][phase] {
				f.add(0, kind, procedure, p.first[2*kind+phase], share)
			}
		}
		for procedure, share := range p.due.returned[kind] {
			f.add(0, kind, procedure, p.again, share)
		}
	}
}

// merge moves what is expected after a merger that is known already to the office that does the work then.
func (f *Forecast) merge() {
	v := f.view
	for _, m := range v.h.mergers {
		if m.day <= v.at || m.since > v.at {
			continue
		}
		from, into := v.place[m.from]*f.days, v.place[m.into]*f.days
		for _, z := range f.flows {
			for i := max(0, m.day-f.first); i < f.days; i++ {
				z.mean[into+i] += z.mean[from+i]
				z.mean[from+i] = 0
			}
		}
	}
}

// classes returns the expected visits by class, and office and day.
func (f *Forecast) classes() [][]float64 {
	all := make([][]float64, 1+len(f.view.h.procedures.words))
	for _, z := range f.flows {
		if all[z.class] == nil {
			all[z.class] = make([]float64, len(z.mean))
		}
		for i, x := range z.mean {
			all[z.class][i] += float64(x)
		}
	}
	return all
}
