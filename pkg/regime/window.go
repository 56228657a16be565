package regime

import "shomei/pkg/civil"

// windowMonths is the length of the renewal window (law.md 4.2).
const windowMonths = 3

// WindowState says where a day lies relative to a renewal window.
type WindowState string

const (
	WindowNotYet  WindowState = "not-yet" // before the window
	WindowOpen    WindowState = "open"    // from the opening to the last day, both included
	WindowExpired WindowState = "expired" // after the last day
	WindowEnded   WindowState = "ended"   // the regime no longer renews anything, whatever the window; only from Renewable
)

// Window is the time in which the renewal of a certificate is accepted.
type Window struct {
	LastDay   civil.Date
	Opens     civil.Date // first day; zero if the regime has no window
	NoticeDue civil.Date // day on which the expiry notice is due: that of the opening; zero under the juki regime
	Rules     []ID
}

// Window returns the renewal window of a certificate or My Number card whose last day is last (law.md 4.2 or, by
// switch, counted forwards, 14.1).
func (s Switches) Window(r Regime, last civil.Date) Window {
	w := Window{LastDay: last}
	switch {
	case r == Juki && s.JukiWindowMonths == 0:
		w.Rules = []ID{jukiNoWindow}
	case r == Juki:
		w.Opens, w.Rules = opensBack(last, s.JukiWindowMonths), []ID{jukiMunicipalWindow}
	case s.WindowForwards:
		w.Opens, w.Rules = opensForward(last), []ID{windowForward}
	default:
		w.Opens, w.Rules = opensBack(last, windowMonths), []ID{windowBack}
	}
	if r == MyNumber {
		w.NoticeDue = w.Opens
		w.Rules = append(w.Rules, noticeDue)
	}
	return w
}

// WindowFrom is Window for a certificate or card issued on a day: one that is issued inside its own window, because
// something else ends it soon, has no window (law.md 4.5).
func (s Switches) WindowFrom(r Regime, issued, last civil.Date) Window {
	w := s.Window(r, last)
	if r == MyNumber && !issued.Before(w.Opens) {
		return Window{LastDay: last, Rules: []ID{windowNone}}
	}
	return w
}

// opensBack returns the day after (last − months), clamped (D7, D9).
func opensBack(last civil.Date, months int) civil.Date {
	return last.AddMonthsClamped(-months).AddDays(1)
}

// opensForward returns the first day whose clamped day three months on is after last (D8). It is the D7 day or one or
// two days later.
func opensForward(last civil.Date) civil.Date {
	day := opensBack(last, windowMonths)
	for !day.AddMonthsClamped(windowMonths).After(last) {
		day = day.AddDays(1)
	}
	return day
}

// On returns where the day lies relative to the window. A window without an opening is open until the last day.
func (w Window) On(day civil.Date) WindowState {
	switch {
	case day.After(w.LastDay):
		return WindowExpired
	case !w.Opens.IsZero() && day.Before(w.Opens):
		return WindowNotYet
	default:
		return WindowOpen
	}
}

// Renewable returns where the day lies and by which rule, given when the regime renews at all.
func (w Window) Renewable(r Regime, on civil.Date) (WindowState, ID) {
	rules := renewalRules(r)
	switch ruling := Allows(r, OpRenew, on); {
	case !ruling.Accepted() && on.Before(MyNumberFirstDay) && (r == MyNumber || on.Before(JukiFirstDay)):
		return WindowNotYet, ruling.Refused[0]
	case !ruling.Accepted():
		return WindowEnded, ruling.Refused[0]
	}
	state := w.On(on)
	return state, map[WindowState]ID{WindowNotYet: rules.before, WindowOpen: rules.in, WindowExpired: rules.after}[state]
}

// Renewal is the result of asking for a renewal.
type Renewal struct {
	Ruling
	Window Window
	// Validity is that of the renewed certificate; if refused, that of the alternative: revocation and new issue on the
	// same day.
	Validity Validity
	// AfterExpiry: the certificate had ended, so this is a new issue.
	AfterExpiry bool
	// Alternative: Validity is that of revoking and issuing anew.
	Alternative bool
}

// Renewal judges a renewal filed on in.Issued of a certificate that ends on in.CurrentLastDay: accepted inside the
// window, refused before it with the alternative of revoking and issuing anew, and after the last day a new issue
// (law.md 4.2). A missing value is a *FieldError.
func (s Switches) Renewal(in ValidityIn) (Renewal, error) {
	if in.CurrentLastDay.IsZero() {
		return Renewal{}, Missing("current_last_day")
	}
	v, err := s.Validity(in)
	if err != nil {
		return Renewal{}, err
	}
	out := Renewal{Window: s.windowOf(in), Validity: v}
	out.Apply(out.Window.Rules...)
	switch out.Window.On(in.Issued) {
	case WindowOpen:
		out.Apply(renewalRules(in.Regime).in)
	case WindowExpired:
		out.AfterExpiry = true
		out.Apply(renewalRules(in.Regime).after)
	case WindowNotYet:
		out.Alternative = true
		out.Applied = nil
		out.Refuse(renewalRules(in.Regime).before)
	}
	out.Merge(v.Ruling)
	if in.Regime == MyNumber && !out.AfterExpiry && !out.Alternative && !v.LastDay.After(in.CurrentLastDay) {
		s.gainless(&out.Ruling)
	}
	return out, nil
}

// gainless reports that a renewal gains no day, and refuses it if the office does so.
func (s Switches) gainless(ruling *Ruling) {
	ruling.Apply(GainsNothing)
	if s.RefuseGainlessRenewal {
		ruling.Refuse(nothingLeft, GainsNothing)
	}
}

// overseasMonths is the length of the renewal window for people living overseas (law.md 4.3).
const overseasMonths = 12

// windowOf returns the window of the certificate to be replaced, which opens earlier for people living overseas. The
// notice is due as for anybody.
func (s Switches) windowOf(in ValidityIn) Window {
	w := s.Window(in.Regime, in.CurrentLastDay)
	if in.Overseas && in.Regime == MyNumber {
		w.Opens = opensBack(in.CurrentLastDay, overseasMonths)
		w.Rules = []ID{windowOverseas, noticeDue}
	}
	return w
}

// renewalRules returns the rules of a regime inside, before and after the window.
func renewalRules(r Regime) struct{ in, before, after ID } {
	if r == Juki {
		return struct{ in, before, after ID }{jukiUnusedLost, jukiMunicipalWindow, jukiAfterExpiry}
	}
	return struct{ in, before, after ID }{inWindow, beforeWindow, afterExpiry}
}
