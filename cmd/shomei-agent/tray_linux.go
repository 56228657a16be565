package main

import (
	"context"
	"crypto/hpke"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"shomei/pkg/card/pcsc"
	"shomei/pkg/card/vreader"
	"shomei/services/agent/desk"
)

// openTray starts the virtual reader, if wanted, and makes this process and f use it.
func openTray(ctx context.Context, f *runFlags, factory hpke.PublicKey, logger *slog.Logger) (*desk.Tray, func(), error) {
	if f.virtual == "" {
		return nil, func() {}, nil
	}
	dir, err := filepath.Abs(f.virtual)
	if err != nil {
		return nil, nil, err
	}
	service, err := vreader.Start(ctx, vreader.Config{Dir: dir, Log: logger})
	if err == nil {
		err = service.Use()
	}
	if err != nil {
		if service != nil {
			service.Close()
		}
		return nil, nil, fmt.Errorf("virtual reader: %w", err)
	}
	f.reader = vreader.Names[0]
	tray := &desk.Tray{Dir: dir, Reader: service.Readers[0], Factory: factory}
	if err := putBack(ctx, tray, f.reader); err != nil {
		service.Close()
		return nil, nil, fmt.Errorf("virtual reader: %w", err)
	}
	return tray, service.Close, nil
}

// seenWithin is how long PC/SC may take to notice a card in software.
const seenWithin = 20 * time.Second

// putBack inserts the card that was in the reader, and waits until PC/SC notices it, as it would a plastic card at the
// start.
func putBack(ctx context.Context, tray *desk.Tray, reader string) error {
	returned, err := tray.Return()
	if err != nil || !returned {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, seenWithin)
	defer cancel()
	_, err = pcsc.WaitCard(ctx, reader)
	return err
}
