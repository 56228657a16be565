package regime

import (
	"shomei/pkg/civil"
)

// WindowState tells where a day lies relative to a renewal window.
type WindowState string

const (
	WindowNotYet  WindowState = "not-yet" // before the window
	WindowOpen    WindowState = "open"    // from the opening to the last day, both included
	WindowExpired WindowState = "expired" // after the last day
)

// Window is the time in which the renewal of a certificate is accepted.
type Window struct {
	LastDay   civil.Date
	Opens     civil.Date // first day; zero when the regime has no window
	NoticeDue civil.Date // day on which the expiry notice is due; zero under the juki regime
	Rules     []ID
}

// Window answers the renewal window of a certificate or My Number card whose
// last day is last (domain.md 1.4.3; D7 or, by switch, D8).
func (s Switches) Window(r Regime, last civil.Date) Window { return Window{} }

// On tells where the day lies relative to the window. A window without an
// opening is open until the last day.
func (w Window) On(day civil.Date) WindowState { return WindowOpen }

// Renewal is the outcome of asking for a renewal.
type Renewal struct {
	Ruling
	Window Window
	// Validity is that of the certificate the renewal would give; when it is
	// refused, that of the alternative: revocation and new issue on the same day.
	Validity Validity
	// AfterExpiry says that the certificate had ended, so this is a new issue.
	AfterExpiry bool
	// Alternative says that Validity is that of revoking and issuing anew.
	Alternative bool
}

// Renewal judges a renewal filed on in.Issued of a certificate that ends on
// in.CurrentLastDay: accepted inside the window, refused before it with the
// alternative of revoking and issuing anew, and after the last day a new issue
// (domain.md 1.4.3). A missing value is a *FieldError.
func (s Switches) Renewal(in ValidityIn) (Renewal, error) { return Renewal{}, nil }
