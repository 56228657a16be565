package desk

import (
	"context"
	"errors"
	"net/http"
	"time"

	"shomei/pkg/civil"
	"shomei/pkg/page"
)

// errNoTray: this counter has a real reader.
var errNoTray = errors.New("this counter has no virtual reader")

func (d *Desk) apiMakeCard(c call, _ page.Language) (reply, error) {
	r := struct {
		ID      string `json:"id"`
		Kind    string `json:"kind"`
		LastDay string `json:"last_day"`
	}{Kind: "mynumber"}
	if d.Tray == nil {
		return reply{}, errNoTray
	}
	if err := c.decode(&r); err != nil {
		return reply{}, err
	}
	kind, unknown := wordIn(trayKinds, "kind", r.Kind)
	if err := faultProblem(unknown); err != nil {
		return reply{}, err
	}
	lastDay, err := civil.Parse(r.LastDay)
	if err != nil {
		return reply{}, badRequest("last_day is a day written YYYY-MM-DD")
	}
	path, err := d.Tray.Make(r.ID, kind, lastDay)
	if err != nil {
		return reply{}, err
	}
	return told(http.StatusCreated, map[string]string{"id": r.ID, "file": path}), nil
}

func (d *Desk) apiInsert(c call, _ page.Language) (reply, error) {
	var r struct {
		ID string `json:"id"`
	}
	if d.Tray == nil {
		return reply{}, errNoTray
	}
	if err := c.decode(&r); err != nil {
		return reply{}, err
	}
	if err := d.insert(c.Context(), r.ID); err != nil {
		return reply{}, err
	}
	return told(http.StatusOK, d.status()), nil
}

func (d *Desk) apiEject(c call, _ page.Language) (reply, error) {
	if d.Tray == nil {
		return reply{}, errNoTray
	}
	if err := d.eject(c.Context()); err != nil {
		return reply{}, err
	}
	return told(http.StatusOK, d.status()), nil
}

func (d *Desk) eject(ctx context.Context) error {
	if !d.Tray.Eject() {
		return nil
	}
	return d.seen(ctx, false)
}

// seenWithin is how long PC/SC may take to notice a card in software.
const seenWithin = 20 * time.Second

// seen waits until the reader notices the card, or its absence.
func (d *Desk) seen(ctx context.Context, present bool) error {
	ctx, cancel := context.WithTimeout(ctx, seenWithin)
	defer cancel()
	if err := d.Counter.AwaitCard(ctx, present); err != nil {
		return errors.Join(errors.New("the virtual reader does not respond"), err)
	}
	if present {
		d.setReader(ReaderCard)
	} else {
		d.setReader(ReaderEmpty)
	}
	return nil
}

// insert puts a card into the virtual reader, replacing any other, and waits until PC/SC sees it.
func (d *Desk) insert(ctx context.Context, id string) error {
	if _, err := d.Tray.open(id); err != nil {
		return err
	}
	if err := d.eject(ctx); err != nil {
		return err
	}
	if err := d.Tray.Insert(id); err != nil {
		return err
	}
	return d.seen(ctx, true)
}
