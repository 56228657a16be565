package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/spf13/cobra"

	"shomei/cmd/cli"
)

// storyCommand runs shomei-lab: stories are played by a program that no office needs.
func storyCommand() *cobra.Command {
	return &cobra.Command{
		Use: "story", Short: "物語を演じる (play lives written as plain text; shomei-lab does it)", DisableFlagParsing: true,
		RunE: func(_ *cobra.Command, args []string) error {
			lab, err := cli.Beside("shomei-lab")
			if err != nil {
				return err
			}
			err = syscall.Exec(lab, append([]string{lab, "story"}, args...), os.Environ())
			if errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("%s plays stories and is not there; make build puts it beside this program", lab)
			}
			return fmt.Errorf("starting %s: %w", lab, err)
		},
	}
}
