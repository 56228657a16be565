package main

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"

	"shomei/pkg/card/vreader"
	"shomei/services/agent/desk"
)

// openTray starts the virtual reader, if one is wanted, and leads this process and f to it.
func openTray(ctx context.Context, f *runFlags, adminKey func(string) ([]byte, error), logger *slog.Logger) (*desk.Tray, func(), error) {
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
	return &desk.Tray{Dir: dir, Reader: service.Readers[0], AdminKey: adminKey}, service.Close, nil
}
