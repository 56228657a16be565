package main

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"shomei/cmd/cli"
	"shomei/cmd/shomei/hub"
	"shomei/events"
	"shomei/pkg/officer"
)

const officerHelp = `窓口の職員を登録します。最初の管理者はここで登録して招待し、一回限りの番号を渡します。番号を受け取った人は、窓口の画面で
パスキーを登録します。パスキーを持つ管理者がいる間は、職員の登録と招待は管理者が窓口で行い、センターではやめる (retire) ことだけができます。
職員は番号で表します。氏名は --name-stdin で渡せば封をして記録します。

Enrols the officers of an office. The first administrator is enrolled and invited here and given a one-time code, with which they
enrol a passkey at a counter. While an administrator has a passkey, administrators enrol and invite at the counter, and the centre
can only retire. Officers are codes; a name, given by --name-stdin, is sealed.`

// officerCommand says who the officers of an office are, until it has an administrator.
func (a *app) officerCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "officer enrol|invite|list|passkeys|retire|require|four-eyes|passwords", Short: "窓口の職員 (officers of an office: enrol, invite, list, retire; what the office demands)",
		Long: officerHelp, Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.enrolOfficerCommand(), a.inviteCommand(), a.listOfficersCommand(), a.passkeysCommand(), a.retireOfficerCommand(), a.requireCommand(),
		a.fourEyesCommand(), a.passwordsCommand())
	return cmd
}

func (a *app) enrolOfficerCommand() *cobra.Command {
	var by string
	var named bool
	var b events.OfficerEnrolled
	cmd := &cobra.Command{
		Use: "enrol OFFICE CODE --role ROLE", Short: "職員を登録する、変える (enrol an officer, or change what one may do)", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := nameFrom(cmd, named)
			if err != nil {
				return err
			}
			b.Officer = args[1]
			return a.order(cmd, by, func(orders hub.Operator) error { return orders.EnrolOfficer(cmd.Context(), args[0], &b, name) },
				a.Say("%s の職員 %s を登録しました。\n", "Officer %[2]s of %[1]s is enrolled.\n"), args[0], args[1])
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&b.Roles, "role", nil, "役割。何度でも (may be repeated): "+words(officer.Roles()))
	flags.StringArrayVar(&b.Offices, "also", nil, "ほかに働く役所。何度でも (further office where the officer may act; may be repeated)")
	flags.StringVar(&b.From, "from", "", "最初の日 (first day of the term; default: at once)")
	flags.StringVar(&b.Until, "until", "", "最後の日 (last day of the term; default: none)")
	flags.StringArrayVar(&b.Areas, "area", nil, "分析と監査の範囲。都道府県、市区町村、jp (what an analyst or auditor may look at: prefecture, municipality or jp; may be repeated)")
	flags.BoolVar(&named, "name-stdin", false, "標準入力の1行を氏名として封をする (read the officer's name, one line, from standard input; it is sealed)")
	_ = cmd.MarkFlagRequired("role") // defined above
	officerFlag(cmd, &by, itself)
	return cmd
}

// nameFrom reads a name, which has no place on a command line.
func nameFrom(cmd *cobra.Command, named bool) (string, error) {
	if !named {
		return "", nil
	}
	line, err := bufio.NewReader(io.LimitReader(cmd.InOrStdin(), 4096)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	if line = strings.TrimSpace(line); line == "" {
		return "", cli.Usage("--name-stdin: standard input has no name")
	}
	return line, nil
}

func words(roles []officer.Role) string {
	var list []string
	for _, role := range roles {
		list = append(list, string(role))
	}
	return strings.Join(list, ", ")
}

// order gives one order and says that it is done.
func (a *app) order(cmd *cobra.Command, by string, give func(hub.Operator) error, done string, args ...any) error {
	orders, end, err := a.orders(cmd, by)
	if err != nil {
		return err
	}
	defer end()
	if err := give(orders); err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), done, args...)
	return nil
}

func (a *app) inviteCommand() *cobra.Command {
	var by string
	cmd := &cobra.Command{
		Use: "invite OFFICE CODE", Short: "一回限りの番号を作る (make a one-time code with which an officer enrols a passkey)", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			var secret string
			var until time.Time
			return a.order(cmd, by, func(orders hub.Operator) (err error) {
				if secret, until, err = orders.InviteOfficer(cmd.Context(), args[0], args[1]); err != nil {
					return err
				}
				fmt.Fprintln(cmd.OutOrStdout(), secret)
				fmt.Fprintf(cmd.ErrOrStderr(), a.Say("%s まで有効です。職員 %s 本人だけに渡し、%s の窓口の画面で入力してもらってください。\n",
					"Good until %s. Give it to officer %s and nobody else, to be entered at a counter of %s.\n"), tokyo(until), args[1], args[0])
				return nil
			}, "")
		},
	}
	officerFlag(cmd, &by, itself)
	return cmd
}

// officerLine is an officer in a list.
type officerLine struct {
	Officer  string         `json:"officer"`
	Roles    []officer.Role `json:"roles"`
	Offices  []string       `json:"offices,omitempty"`
	From     string         `json:"from,omitempty"`
	Until    string         `json:"until,omitempty"`
	Areas    []string       `json:"areas,omitempty"`
	Passkeys int            `json:"passkeys"`
	Retired  bool           `json:"retired,omitempty"`
}

func (a *app) listOfficersCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list OFFICE", Short: "職員の一覧と、署名と二人の決まり (officers of an office, and what it demands)", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			h, office, err := a.officersOf(cmd, args[0])
			if err != nil {
				return err
			}
			defer h.Close()
			var lines []officerLine
			for _, o := range office.Officers() {
				keys := slices.DeleteFunc(slices.Clone(o.Passkeys), func(k officer.Passkey) bool { return !k.InForce() })
				lines = append(lines, officerLine{o.Code, o.Roles, o.Offices, o.From.String(), o.Until.String(), o.Areas, len(keys), o.Retired})
			}
			if asJSON {
				return printLines(cmd.OutOrStdout(), lines)
			}
			a.printOfficers(cmd.OutOrStdout(), office, lines)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object an officer")
	return cmd
}

// officersOf opens the log and returns the officers of an office as of its newest event.
func (a *app) officersOf(cmd *cobra.Command, office string) (*hub.Parts, officer.Office, error) {
	h, err := a.attachLog(cmd.Context())
	if err != nil {
		return nil, officer.Office{}, err
	}
	if _, ok := h.Directory.Offices()[office]; !ok {
		_ = h.Close() // nothing was written
		return nil, officer.Office{}, cli.ErrNoOffice
	}
	return h, h.Directory.OfficersOf(office, h.Directory.OfficersAsOf()), nil
}

func (a *app) printOfficers(out io.Writer, office officer.Office, lines []officerLine) {
	t := table.NewWriter()
	t.SetOutputMirror(out)
	t.AppendHeader(table.Row{"officer", "roles", "also at", "from", "until", "areas", "passkeys", ""})
	for _, o := range lines {
		state := ""
		if o.Retired {
			state = a.Say("やめました", "retired")
		}
		t.AppendRow(table.Row{o.Officer, words(o.Roles), strings.Join(o.Offices, " "), o.From, o.Until, strings.Join(o.Areas, " "), o.Passkeys, state})
	}
	t.Render()
	if office.Passwords() {
		fmt.Fprintln(out, a.Say("集計画面でパスワードを認めています。", "Passwords are allowed at the console."))
	}
	if from := office.Required(); from.IsZero() {
		fmt.Fprintln(out, a.Say("署名は求めていません。", "Signatures are not required."))
	} else {
		fmt.Fprintf(out, a.Say("%s から署名が必要です。\n", "Signatures are required from %s.\n"), from)
	}
}

func (a *app) passkeysCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "passkeys OFFICE CODE", Short: "職員のパスキー (an officer's passkeys, those of before too)", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			h, office, err := a.officersOf(cmd, args[0])
			if err != nil {
				return err
			}
			defer h.Close()
			found, err := office.Officer(args[1])
			if err != nil {
				return cli.Exit(cli.Failed, errors.New(a.Say("その職員はいません: shomei officer list", "there is no such officer: shomei officer list shows them")))
			}
			t := table.NewWriter()
			t.SetOutputMirror(cmd.OutOrStdout())
			t.AppendHeader(table.Row{"passkey", "site", "software", "from", "until"})
			for _, k := range found.Passkeys {
				t.AppendRow(table.Row{hex.EncodeToString(k.Credential), k.RelyingParty, k.Software, tokyo(k.From), tokyo(k.Until)})
			}
			t.Render()
			return nil
		},
	}
	return cmd
}

func (a *app) retireOfficerCommand() *cobra.Command {
	var by string
	cmd := &cobra.Command{
		Use: "retire OFFICE CODE", Short: "職員をやめさせる (end an officer's term at once, with all passkeys)", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.order(cmd, by, func(orders hub.Operator) error { return orders.RetireOfficer(cmd.Context(), args[0], args[1]) },
				a.Say("%s の職員 %s の登録をやめました。署名は受け付けません。\n", "Officer %[2]s of %[1]s is retired. No signature of theirs counts any more.\n"), args[0], args[1])
		},
	}
	officerFlag(cmd, &by, itself)
	return cmd
}

func (a *app) requireCommand() *cobra.Command {
	var by string
	cmd := &cobra.Command{
		Use: "require OFFICE FROM", Short: "この日から職員の署名を求める (require officers' signatures from a day on)", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.order(cmd, by, func(orders hub.Operator) error { return orders.RequireSignatures(cmd.Context(), args[0], args[1]) },
				a.Say("%s では %s から署名が必要です。\n", "At %s signatures are required from %s.\n"), args[0], args[1])
		},
	}
	officerFlag(cmd, &by, itself)
	return cmd
}

func (a *app) fourEyesCommand() *cobra.Command {
	var by, from string
	var acts []string
	cmd := &cobra.Command{
		Use: "four-eyes OFFICE --act ACT --from DAY", Short: "二人で行う手続きを選ぶ (choose the acts that need a second officer)", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.order(cmd, by, func(orders hub.Operator) error {
				all, err := orders.DefineFourEyes(cmd.Context(), args[0], acts, from)
				if err == nil {
					fmt.Fprintf(cmd.OutOrStdout(), a.Say("%s では %s から二人で行います: %s\n", "At %s a second officer is needed from %s for: %s\n"), args[0], from, strings.Join(all, ", "))
				}
				return err
			}, "")
		},
	}
	cmd.Flags().StringArrayVar(&acts, "act", nil, "手続き。何度でも。shomei roles が示します (act; may be repeated; shomei roles lists them)")
	cmd.Flags().StringVar(&from, "from", "", "最初の日 (first day)")
	_ = cmd.MarkFlagRequired("from") // defined above
	officerFlag(cmd, &by, itself)
	return cmd
}

const passwordsHelp = `集計画面でのパスワードを、この役所の職員に認めます。--forbid で認めなくなり、設定済みのものもすぐに使えなくなります。
パスワードでは見ることだけができます。職員は招待の番号で、集計画面の /password に自分で設定します。管理者のいる役所では、認めるのは管理者です。

Lets officers of an office have passwords for the console; with --forbid no longer, and those that are set stop at once. A password opens
pages to look at and nothing else. Officers set their own at the console's /password with an invitation's code. Where an office is
administered, its administrators allow them at a counter, and the centre can only forbid them.`

func (a *app) passwordsCommand() *cobra.Command {
	var by string
	var forbid bool
	cmd := &cobra.Command{
		Use: "passwords OFFICE [--forbid]", Short: "集計画面のパスワードを認める、認めない (let officers have passwords for the console, or no longer)",
		Long: passwordsHelp, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			done := a.Say("%s の職員に、集計画面のパスワードを認めました。\n", "Officers of %s may have passwords for the console.\n")
			if forbid {
				done = a.Say("%s の職員に、集計画面のパスワードを認めません。\n", "Officers of %s have no passwords for the console.\n")
			}
			return a.order(cmd, by, func(orders hub.Operator) error { return orders.AllowPasswords(cmd.Context(), args[0], !forbid) }, done, args[0])
		},
	}
	cmd.Flags().BoolVar(&forbid, "forbid", false, "認めない (allow none, at once)")
	officerFlag(cmd, &by, itself)
	return cmd
}
