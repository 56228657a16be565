//go:build !linux

package main

import (
	"context"
	"crypto/hpke"
	"fmt"
	"log/slog"

	"shomei/services/agent/desk"
)

// openTray refuses a virtual reader: its driver exists for pcscd on Linux only.
func openTray(_ context.Context, f *runFlags, _ hpke.PublicKey, _ *slog.Logger) (*desk.Tray, func(), error) {
	if f.virtual != "" {
		return nil, nil, fmt.Errorf("%w: --virtual-reader works on Linux only", errUsage)
	}
	return nil, func() {}, nil
}
