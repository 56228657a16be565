//go:build !linux

package main

import "github.com/spf13/cobra"

func platformCommands(*language) []*cobra.Command { return nil }
