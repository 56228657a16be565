package desk

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"shomei/pkg/page"
	"shomei/services/agent"
)

// screen is what the resident's screen shows: the procedure that the clerk sent there, and nothing else.
type screen struct {
	mu        sync.Mutex
	procedure string
	// thanked is when a resident last confirmed.
	thanked time.Time
	// lang was chosen at the screen at time chosen; the next resident starts with Japanese again.
	lang    page.Language
	chosen  time.Time
	changed chan struct{} // closed and replaced when procedure or lang changes
}

const (
	// doneTime is how long the resident is thanked before the screen goes blank.
	doneTime = 15 * time.Second
	// choiceTime is how long a language chosen at the blank screen is kept.
	choiceTime = 2 * time.Minute
)

// put shows a procedure on the screen; "" blanks it, except for the thanks.
func (s *screen) put(procedure string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endChoice()
	s.procedure, s.chosen = procedure, time.Time{}
	if procedure != "" {
		s.thanked = time.Time{}
	}
	s.tell()
}

// tell is called with mu held.
func (s *screen) tell() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// thank records when the resident was thanked; the zero time ends the thanks.
func (s *screen) thank(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.thanked = at
}

// thanks returns how long the resident is still thanked; zero or less if not at all.
func (s *screen) thanks() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return doneTime - time.Since(s.thanked)
}

// choose sets the language chosen at the screen; an unknown one changes nothing.
func (s *screen) choose(lang string) {
	chosen, ok := page.ParseLanguage(lang)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lang = chosen
	if s.blank() {
		s.chosen = time.Now()
	}
	s.tell()
}

// language returns the language chosen for what the screen shows, Japanese by default.
func (s *screen) language() page.Language {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endChoice()
	return s.lang
}

// endChoice returns a blank screen to Japanese; it is called with mu held.
func (s *screen) endChoice() {
	if s.blank() && time.Since(s.chosen) >= choiceTime {
		s.lang = page.Japanese
	}
}

// blank reports whether nothing is shown and nobody thanked; it is called with mu held.
func (s *screen) blank() bool { return s.procedure == "" && time.Since(s.thanked) >= doneTime }

// shown returns the procedure on the screen, a channel that is closed when that or the language changes, and the time
// until part of it ends by itself; zero or less if nothing does.
func (s *screen) shown() (procedure string, changed <-chan struct{}, ends time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.procedure == "" {
		ends = max(doneTime-time.Since(s.thanked), choiceTime-time.Since(s.chosen))
	}
	return s.procedure, s.changed, ends
}

// drop removes a procedure from the screen, if it is the one shown.
func (s *screen) drop(procedure string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.procedure == procedure {
		s.procedure, s.chosen = "", time.Time{}
		s.tell()
	}
}

// errNoName: this counter doesn't know the name to show on the resident's screen.
var errNoName = errors.New("this counter no longer has the name of this procedure's applicant")

// sendToScreen shows a procedure that waits for its resident on the resident's screen, with their name. Its errors are
// agent.ErrNotWaiting, errNotPaired and errNoName.
func (d *Desk) sendToScreen(procedure string) error {
	status, err := d.Counter.Status(procedure)
	if err != nil {
		return err
	}
	if status.Waiting == nil {
		return fmt.Errorf("showing procedure %s to its resident: %w", procedure, agent.ErrNotWaiting)
	}
	name, err := d.Counter.Applicant(procedure)
	switch {
	case err != nil:
		return err
	case name == "":
		return errNoName
	case !d.Counter.ScreenPaired():
		return errNotPaired
	}
	d.screen.put(procedure)
	return nil
}

// asked returns the procedure that the clerk sent to the resident's screen if it waits for its resident, otherwise "":
// the screen never turns to another one by itself.
func (d *Desk) asked() string {
	id, _, _ := d.screen.shown()
	if id == "" {
		return ""
	}
	if status, err := d.Counter.Status(id); err != nil || status.Waiting == nil {
		d.screen.drop(id)
		return ""
	}
	return id
}

// screenState identifies what the screen shows, and in which language.
func (d *Desk) screenState() string {
	shows := d.asked()
	switch {
	case shows != "":
	case d.screen.thanks() > 0:
		shows = "done"
	default:
		shows = "blank"
	}
	return shows + "." + string(d.screen.language())
}
