// Package desk is the face of a counter: the clerk's pages, the resident's own page for PINs, and the same as JSON.
// On loopback whoever sits at the
// machine is the clerk, but for the browser that was paired as the resident's screen: it gets the resident's pages and
// nothing else, and no other browser gets those. To other machines of the office it answers by TLS, under the counter's host name,
// once an officer has signed in (Desk.OfficeHandler); nothing of the resident's screen, the API or the card reader is served there.
//
// Where the office has officers they sign in with a passkey (pkg/signin), at http://localhost, and sign what they file. An office
// that requires signatures shows its pages to nobody else. Otherwise the officer's number is typed, unless somebody is signed in.
//
// The API is for programs; what a page asks of it, by script or form, is refused (403). It answers in JSON:
//
//	POST /api/applications                   an application ([request]); 202 {"procedure","claim"}
//	POST /api/cases                          {"case_number"}, {"card"}, {"resident_code","birth_date"} or none: the card on the reader; with "clerk":
//	                                         200 {"cases":[[openCase]]}, applications of this office that wait for a letter's answer, taken
//	                                         at any counter; application with its "procedure" goes on with it. 404 unknown-case, 503 centre-away
//	POST /api/find                           {"name","birth_date"}, {"resident_code"}, {"card"} or none: the card on the reader; with "clerk":
//	                                         200 [found], as much as the officer may see. 404 nobody-found, 503 find-away, find-unready
//	POST /api/reports                        a loss, a found card, a change of the record ([report]); 202 {"procedure","claim"}
//	POST /api/approvals                      {"clerk"}: 200 {"approvals"}, the acts of this office that wait for a second officer
//	POST /api/approvals/{id}                 {"outcome","digest","why","clerk"}: approved, refused or withdrawn
//	GET  /api/procedures/{id}                how far it is ([state])
//	GET  /api/procedures/{id}/events         the same as server-sent events, one with each change
//	POST /api/procedures/{id}/confirm        {"pins":{"sign","auth"}}, from a PIN pad's program or a simulation
//	POST /api/procedures/{id}/hand-over      {"fee_yen","paper_copy","clerk"}; fee_yen, when given, must be the hub's
//	POST /api/procedures/{id}/drop           {"why","clerk"}, both optional; why is sealed
//	GET  /api/card, POST /api/card           what the card on the reader tells; with {"pin","last_try"} the signature certificate too
//	GET  /api/status                         link, reader, outbox and clock
//	POST /api/reader/cards|insert|eject      cards in software, with a virtual reader only
//
// What a program files as "clerk" is unsigned, which an office that requires signatures refuses (403), unless it signs: with ?sign=1
// each of the above that is an officer's act answers 202 {"act","challenge","relying_party"}, the challenge in base64, and is filed by
//
//	POST /api/acts/{act}                     the assertion of the clerk's passkey over the challenge, in the JSON that browsers give
//	                                         (AuthenticationResponseJSON of WebAuthn); within two minutes; the answer is what it
//	                                         would have been without sign
//	POST /api/enrol                          {"officer","code","credential","public_key"}: a key of the program's own (bytes in
//	                                         base64, the public one as COSE_Key) with the code of an invitation (shomei officer invite);
//	                                         202 {"procedure"}, which is done once the counter believes the key. In logs of simulations
//	                                         and demonstrations only
//
// At a counter of a demonstration (shomei up) what is filed as the demonstration's officer, demo-1, is signed by the key that lies
// beside the counter's; so is what is filed on its pages while nobody is signed in.
//
// Every error is {"error": [Problem]} with a code, what happened and what to do next in both languages: 400 for what can't
// be read, 404 for what is not there, 409 for what can't be done now, 422 for a PIN of the wrong form, 503 without a reader.
//
// Names, addresses and PINs pass through; nothing of them is logged or put into an address, and none is kept but for the ten
// minutes in which a review page may file what it shows. A procedure's name for the resident's screen is the counter's to keep.
package desk

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"shomei/pkg/card"
	"shomei/pkg/card/pcsc"
	"shomei/pkg/page"
	"shomei/pkg/regime"
	"shomei/pkg/wait"
	"shomei/services/agent"
)

// Config configures a Desk; all but Soft and Tray is required.
type Config struct {
	Counter *agent.Counter
	// Name is the counter's id, Office its office's id, as shown on the pages.
	Name, Office string
	Switches     regime.Switches
	// Soft is the officer of a demonstration; nil at a real counter.
	Soft *SoftOfficer
	// Tray puts cards in software into a virtual reader; nil at a real counter.
	Tray   *Tray
	Logger *slog.Logger
}

// Desk serves the pages and the API of one counter.
type Desk struct {
	Config
	pages   *page.Set
	reviews shelf[*review]
	acts    shelf[waiting]
	near    *door
	noted   *rate.Limiter
	screen  screen
	pairing pairing

	mu         sync.Mutex
	reader     ReaderState
	generation int           // of reader
	told       chan struct{} // closed and replaced when reader changes
}

//go:embed pages/*.html
var files embed.FS

// New returns a Desk. It fails if a template or phrase is missing.
func New(c Config) (*Desk, error) {
	folder, err := fs.Sub(files, "pages")
	if err != nil {
		return nil, fmt.Errorf("opening the counter's pages: %w", err)
	}
	pages, err := page.New(folder, words)
	if err != nil {
		return nil, fmt.Errorf("reading the counter's pages: %w", err)
	}
	d := &Desk{
		Config: c, pages: pages, reader: ReaderAway, told: make(chan struct{}),
		reviews: shelf[*review]{age: reviewTime}, acts: shelf[waiting]{age: actTime},
		screen: screen{lang: page.Japanese, changed: make(chan struct{})},
	}
	d.near, d.noted = d.newDoor(""), rate.NewLimiter(rate.Every(failureEvery), failuresAtOnce)
	return d, nil
}

// Handler serves the pages, the API under /api/ and the assets.
func (d *Desk) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, r := range d.routes() {
		mux.Handle(r.pattern, d.serve(r))
	}
	return page.Protect(mux, page.ThisMachine...)
}

// ReaderState is the state of the card reader.
type ReaderState string

// The states of the reader.
const (
	ReaderAway  ReaderState = "away"  // none is connected, or the PC/SC service does not answer
	ReaderEmpty ReaderState = "empty" // waits for a card
	ReaderCard  ReaderState = "card"  // a card is in it
)

const (
	// readerWatch is how long one question to the reader waits for a change.
	readerWatch = time.Second
	readerPause = 200 * time.Millisecond
)

// Run keeps the reader's state up to date until ctx ends.
func (d *Desk) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		d.watchReader(ctx)
	}
	return nil
}

// watchReader asks the reader once for the next possible change. The answer is stale if the state changed meanwhile.
func (d *Desk) watchReader(ctx context.Context) {
	within, cancel := context.WithTimeout(ctx, readerWatch)
	defer cancel()
	d.mu.Lock()
	inside, gen := d.reader == ReaderCard, d.generation
	d.mu.Unlock()
	err := d.Counter.AwaitCard(within, !inside)
	switch {
	case ctx.Err() != nil:
		return
	case errors.Is(err, pcsc.ErrNoReader), errors.Is(err, pcsc.ErrNoService), errors.Is(err, card.ErrRemoved):
		d.setReaderIf(ReaderAway, gen)
	case err == nil && !inside:
		d.setReaderIf(ReaderCard, gen)
	case err == nil, !inside:
		d.setReaderIf(ReaderEmpty, gen)
	}
	if within.Err() == nil { // answered at once: a failing reader must not be asked without pause
		_ = wait.For(ctx, readerPause)
	}
}

// Reader returns the state of the card reader.
func (d *Desk) Reader() ReaderState {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.reader
}

// setReader sets the reader's state.
func (d *Desk) setReader(s ReaderState) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.noteReader(s)
}

// setReaderIf sets the state unless it has changed since generation gen.
func (d *Desk) setReaderIf(s ReaderState, gen int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.generation == gen {
		d.noteReader(s)
	}
}

// noteReader is called with mu held.
func (d *Desk) noteReader(s ReaderState) {
	d.generation++
	if d.reader == s {
		return
	}
	d.reader = s
	close(d.told)
	d.told = make(chan struct{})
}

// readerChanged returns a channel that is closed when the reader's state changes.
func (d *Desk) readerChanged() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.told
}
