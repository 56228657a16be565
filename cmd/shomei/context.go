package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"shomei/cmd/cli"
	"shomei/cmd/shomei/hub"
	"shomei/pkg/durable"
)

const contextHelp = `資格を名前で覚えておき、選んだものをどの命令でも使います。--data を付けた命令はデータのフォルダーで働きます。
Keeps credentials under names, so that commands use the one that was selected. A command with --data works on that folder, and so does
one with SHOMEI_HUB_DATA in its environment.`

// contextCommand keeps operators' credentials under names.
func (a *app) contextCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "context add|select|list|remove", Short: "資格を名前で使い分ける (credentials under names, one of them selected)", Long: contextHelp,
		Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		&cobra.Command{
			Use: "add NAME FILE", Short: "資格を名前で覚える (keep a copy of credentials under a name)", Args: cobra.ExactArgs(2),
			RunE: func(_ *cobra.Command, args []string) error { return addContext(args[0], args[1]) },
		},
		&cobra.Command{
			Use: "select [NAME]", Short: "使う資格を選ぶ。名前なしで選択をやめる (select one; without a name none)", Args: cobra.MaximumNArgs(1),
			RunE: func(_ *cobra.Command, args []string) error { return selectContext(strings.Join(args, "")) },
		},
		&cobra.Command{
			Use: "list", Short: "覚えている資格 (what is kept)", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return listContexts(cmd) },
		},
		&cobra.Command{
			Use: "remove NAME", Short: "忘れる (forget one)", Args: cobra.ExactArgs(1),
			RunE: func(_ *cobra.Command, args []string) error {
				file, err := contextFile(args[0])
				if err != nil {
					return err
				}
				if selected, err := selectedContext(); err != nil {
					return err
				} else if selected == args[0] {
					if err := selectContext(""); err != nil {
						return err
					}
				}
				return os.Remove(file)
			},
		})
	return cmd
}

var contextForm = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// contexts returns a place in the folder of contexts, which belongs to this user.
func contexts(parts ...string) (string, error) {
	dir, err := os.UserConfigDir()
	return filepath.Join(append([]string{dir, "shomei"}, parts...)...), err
}

// contextFile returns the file of a context. It need not exist.
func contextFile(name string) (string, error) {
	if !contextForm.MatchString(name) {
		return "", cli.Usage("%q names no context: use a-z, 0-9 and single - between them", name)
	}
	return contexts("contexts", name+".json")
}

func addContext(name, file string) error {
	if _, err := hub.ReadCredentials(file); err != nil {
		return err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	to, err := contextFile(name)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(to), 0o700)
	}
	if err != nil {
		return err
	}
	return durable.WriteSecret(to, text)
}

func selectContext(name string) error {
	at, err := contexts("selected")
	if err != nil {
		return err
	}
	if name == "" {
		if err := os.Remove(at); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	file, err := contextFile(name)
	if err != nil {
		return err
	}
	if _, err := hub.ReadCredentials(file); err != nil {
		return err
	}
	return durable.WriteSecret(at, []byte(name+"\n"))
}

// selectedContext returns the name of the context that was selected, or nothing.
func selectedContext() (string, error) {
	at, err := contexts("selected")
	if err != nil {
		return "", nil // this user has no folder for it
	}
	text, err := os.ReadFile(at)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(text)), err
}

func listContexts(cmd *cobra.Command) error {
	at, err := contexts("contexts", "*.json")
	if err != nil {
		return err
	}
	files, err := filepath.Glob(at)
	if err != nil {
		return err
	}
	selected, err := selectedContext()
	if err != nil {
		return err
	}
	for _, file := range files {
		c, err := hub.ReadCredentials(file)
		if err != nil {
			c.Server = err.Error()
		}
		name, mark := strings.TrimSuffix(filepath.Base(file), ".json"), " "
		if name == selected {
			mark = "*"
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s %-20s %-16s %s\n", mark, name, c.Officer, c.Server)
	}
	return nil
}
