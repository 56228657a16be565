package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"shomei/cmd/cli"
	"shomei/cmd/shomei/hub"
	"shomei/pkg/ops"
)

// itself is the actor in the log when a command names no officer.
const itself = hub.Itself

// officerFlag adds the number of the officer who gives an order. Without a fallback it must be given, except by who has
// credentials.
func officerFlag(cmd *cobra.Command, officer *string, fallback string) {
	cmd.Flags().StringVar(officer, "officer", fallback,
		"職員番号。数字を含む英数字と . _ - の16文字まで。氏名は書かない (number of the officer, never a name: up to 16 of A-Z a-z 0-9 . _ -, with a digit)")
}

// errNoOfficer is what the command line says of any flag that is missing.
var errNoOfficer = cli.Usage(`required flag(s) "officer" not set`)

// orders connects to the centre to give orders: with credentials as the officer whose they are, otherwise to the centre that
// runs on the data folder, as the officer who is named. Done ends it.
func (a *app) orders(cmd *cobra.Command, officer string) (o hub.Operator, done func(), err error) {
	p, err := a.operate(cmd.Context(), officer == "")
	if err != nil {
		return o, nil, err
	}
	o, err = p.By(officer)
	if err != nil {
		_ = p.Close() // nothing was done
		return o, nil, err
	}
	return o, func() { _ = p.Close() }, nil
}

// operate connects to the centre. If it must know by whom, there have to be credentials.
func (a *app) operate(ctx context.Context, nameless bool) (*hub.Parts, error) {
	by, err := a.credentials()
	if err != nil {
		return nil, err
	}
	if nameless && by == nil {
		return nil, errNoOfficer
	}
	c, err := a.looking()
	if err != nil {
		return nil, err
	}
	return hub.Operate(ctx, c, by)
}

// credentials returns those that a command uses: of --creds, of --context, or of the selected context unless a data folder is
// given; nil if it works on the data folder.
func (a *app) credentials() (*hub.Credentials, error) {
	file, err := a.credited()
	if err != nil || file == "" {
		return nil, err
	}
	c, err := hub.ReadCredentials(file)
	if err != nil {
		return nil, err
	}
	if a.told {
		return &c, nil
	}
	a.told = true
	fmt.Fprintf(os.Stderr, a.Say("職員 %s として、%s のセンターに\n", "as officer %s, at the centre of %s\n"), c.Officer, c.Server)
	return &c, nil
}

// credited returns the file of the credentials that a command uses; empty if it works on the data folder. What the command line
// says wins over the environment, and that over the context that was selected.
func (a *app) credited() (file string, err error) {
	given := 0
	for _, one := range []bool{a.creds != "", a.context != "", a.dataGiven()} {
		if one {
			given++
		}
	}
	switch environment := os.Getenv(ops.EnvPrefix + "CREDS"); {
	case given > 1:
		return "", cli.Usage("--data, --creds and --context each name a centre: give one of them")
	case a.creds != "":
		return a.creds, nil
	case a.context != "":
		return contextFile(a.context)
	case a.dataGiven():
		return "", nil
	case environment != "":
		return environment, nil
	case os.Getenv(ops.EnvPrefix+"HUB_DATA") != "":
		return "", nil
	}
	name, err := selectedContext()
	if err != nil || name == "" {
		return "", err
	}
	return contextFile(name)
}

const operatorsHelp = `運用者に資格 (--creds に渡すファイル) を出します。記録は、その資格で行われたことを、その職員の番号のもとに残します。出すこと、
やめさせることには、どのサービスも持たない root.nk の鍵が要ります(--root)。
Gives operators the credentials with which their commands reach the centre from anywhere (--creds FILE). What is done with
them stands in the log under the officer's number. It takes the root's key, which no running service holds (--root).`

// operatorsCommand gives and takes operators' credentials.
func (a *app) operatorsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "operators enrol|list|retire", Short: "運用者の資格を出す、やめさせる (credentials of operators: give, list, retire)", Long: operatorsHelp,
		Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.enrolOperatorCommand(), a.listOperatorsCommand(), a.retireOperatorCommand())
	return cmd
}

func (a *app) enrolOperatorCommand() *cobra.Command {
	var officer, root, out string
	cmd := &cobra.Command{
		Use: "enrol NUMBER --out FILE", Short: "資格を出す (give an officer credentials)", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			orders, done, err := a.orders(cmd, officer)
			if err != nil {
				return err
			}
			defer done()
			c, err := a.newCredentials(orders, args[0], out)
			if err == nil {
				err = orders.EnrolOperator(cmd.Context(), c, root)
			}
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), a.Say("職員 %s の資格を %s に作りました。本人だけが読めるところへ移し、--creds に渡してください。\n",
				"The credentials of officer %s are in %s. Move them to where only that officer reads them, and give them with --creds.\n"), c.Officer, out)
			return nil
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "資格のファイル (file of the credentials)")
	_ = cmd.MarkFlagRequired("out") // defined on the line above
	rootFlag(cmd, &root)
	officerFlag(cmd, &officer, itself)
	return cmd
}

// newCredentials writes credentials for an officer before anybody believes them; those that an interrupted command left are
// used again.
func (a *app) newCredentials(orders hub.Operator, officer, file string) (hub.Credentials, error) {
	if c, err := hub.ReadCredentials(file); err == nil {
		return c, orders.Fits(c, officer)
	}
	c, err := orders.NewCredentials(officer)
	if err != nil {
		return c, err
	}
	return c, c.Write(file)
}

func rootFlag(cmd *cobra.Command, root *string) {
	cmd.Flags().StringVar(root, "root", "", "root.nk のファイル。なければ keys/root.nk (file of the root's key; default: keys/root.nk)")
}

func (a *app) listOperatorsCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "資格を持つ運用者 (who has credentials, and who had)", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			h, err := a.attachLog(cmd.Context())
			if err != nil {
				return err
			}
			defer h.Close()
			if asJSON {
				return printLines(cmd.OutOrStdout(), h.OperatorKeys())
			}
			for _, k := range h.OperatorKeys() {
				fmt.Fprintf(cmd.OutOrStdout(), "%-16s  %s  %s\n", k.Officer, k.Key, tokyo(k.Retired))
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a key")
	return cmd
}

func (a *app) retireOperatorCommand() *cobra.Command {
	var officer, root string
	cmd := &cobra.Command{
		Use: "retire NUMBER", Short: "資格を取り上げる (take an officer's credentials away, at once and for good)", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			orders, done, err := a.orders(cmd, officer)
			if err != nil {
				return err
			}
			defer done()
			if err := orders.RetireOperator(cmd.Context(), args[0], root); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), a.Say("職員 %s の資格をやめました。\n", "The credentials of officer %s are retired.\n"), args[0])
			return nil
		},
	}
	rootFlag(cmd, &root)
	officerFlag(cmd, &officer, itself)
	return cmd
}
