package desk

import (
	"crypto/hpke"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"shomei/pkg/card"
	"shomei/pkg/card/softcard"
	"shomei/pkg/civil"
)

// Tray is a stack of cards in software beside a virtual reader, for demonstrations, stories and tests.
type Tray struct {
	// Dir holds one file for each card, <id>.json.
	Dir string
	// Reader is the virtual reader that cards are put into.
	Reader *softcard.Reader
	// Factory is the centre's public key, to which the transport keys of new cards are sealed; nil: none can be made.
	Factory hpke.PublicKey

	mu sync.Mutex
	// last is the card last read from its file. The others are only in their files: their keys are large.
	last *softcard.Card
}

var (
	errNoSuchCard = errors.New("no such software card")
	errCardExists = errors.New("a software card with that number exists")
	errNoFactory  = errors.New("the bundle names no key of the centre for new cards")
)

var trayKinds = map[string]card.Kind{"juki": card.Juki, "mynumber": card.MyNumber}

// cardNumber keeps a number a plain file name.
var cardNumber = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,31}$`)

func (t *Tray) path(id string) (string, error) {
	if !cardNumber.MatchString(id) {
		return "", badRequest("id is a card's number: letters, digits and hyphens, at most 32")
	}
	return filepath.Join(t.Dir, id+".json"), nil
}

// Make makes the file of a card as it leaves the factory. Its last day is written to it unless it is zero.
func (t *Tray) Make(id string, kind card.Kind, lastDay civil.Date) (path string, err error) {
	if path, err = t.path(id); err != nil {
		return "", err
	}
	if _, err := os.Stat(path); err == nil {
		return "", errCardExists
	}
	if t.Factory == nil {
		return "", errNoFactory
	}
	key, err := card.NewFactoryKey(t.Factory, id)
	if err != nil {
		return "", err
	}
	blank := softcard.Blank{Path: path, CardID: id, Kind: kind, Key: key}
	if !lastDay.IsZero() {
		blank.LastDay = strings.ReplaceAll(lastDay.String(), "-", "")
	}
	if err := softcard.Personalise(blank); err != nil {
		return "", fmt.Errorf("making card %s: %w", id, err)
	}
	return path, nil
}

// open reads a card from its file, unless it is the one in the reader or on its way there: in this process a file
// belongs to one card.
func (t *Tray) open(id string) (*softcard.Card, error) {
	path, err := t.path(id)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, chip := range []*softcard.Card{t.Reader.Card(), t.last} {
		if chip != nil && chip.ID() == id {
			return chip, nil
		}
	}
	chip, err := softcard.Open(softcard.Config{Path: path})
	if errors.Is(err, os.ErrNotExist) {
		return nil, errNoSuchCard
	}
	if err != nil {
		return nil, fmt.Errorf("opening card %s: %w", id, err)
	}
	t.last = chip
	return chip, nil
}

// inReader is the file that names the card in the reader: a card in software stays there when the program ends, as a
// plastic card does.
const inReader = "in-the-reader"

// Insert puts a card into the reader.
func (t *Tray) Insert(id string) error {
	chip, err := t.open(id)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(t.Dir, inReader), []byte(id), 0o600); err != nil {
		return fmt.Errorf("putting card %s into the reader: %w", id, err)
	}
	t.Reader.Insert(chip)
	return nil
}

// Return puts back the card that was in the reader when the program last ended; false if there was none, or it is gone.
func (t *Tray) Return() (bool, error) {
	id, err := os.ReadFile(filepath.Join(t.Dir, inReader))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking which card lay in the reader: %w", err)
	}
	err = t.Insert(string(id))
	if errors.Is(err, errNoSuchCard) {
		return false, nil
	}
	return err == nil, err
}

// Eject takes the card out of the reader; false if there was none.
func (t *Tray) Eject() bool {
	out := t.Reader.Eject() != nil
	_ = os.Remove(filepath.Join(t.Dir, inReader)) // missing if no card was in the reader
	return out
}

// List returns the ids of the cards in the folder, in order.
func (t *Tray) List() []string {
	files, err := filepath.Glob(filepath.Join(t.Dir, "*.json"))
	if err != nil {
		return nil // the pattern is a constant and our own path
	}
	var ids []string
	for _, file := range files {
		ids = append(ids, strings.TrimSuffix(filepath.Base(file), ".json"))
	}
	return ids
}
