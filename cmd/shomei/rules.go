package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"shomei/cmd/cli"
	"shomei/pkg/civil"
	"shomei/pkg/directory"
	"shomei/pkg/directory/officefile"
	"shomei/pkg/regime"
	"shomei/pkg/regime/question"
)

const rulesHelp = `法令の規則に問います。1行に1つの JSON を標準入力に書くと、同じ順に1行に1つの JSON で答えます。空の文字列は「なし」です。
答えられない行には {"error":{…}} を返し、ほかの行には答えます(終了コード 4)。
項目、使える値、単位は、それぞれの --help にあります。例: shomei rules validity --help

Asks the law: one JSON object a line on standard input, one a line out, in the same order. An empty string means absent. A
line that can't be answered gets an error object in its place; the others are answered all the same (exit code 4). Every
field, the values allowed and the units stand in the help of each question, for example shomei rules validity --help.`

const listHelp = `すべての規則を1行に1つ、タブ区切りで: 番号、効力の期間(初日…最終日。なし: 制限なし)、出典、読み上げる文、次にすること、
どの設定によるか([law] の名前 = 今の値。--config の設定と --office の役所の定めから、なければ標準の値)。
文の言語は --lang で選びます。--json では1行に1つの JSON で、両方の言語。

Every rule, one a line, tab-separated: id, first…last day of effect (absent: unbounded), source, sentence, what to do next,
and the setting it depends on (name in [law] = value now, from the files of --config and --office or by default), in the
language of --lang. With --json one object a line in both languages:

  id         規則の番号 (what events, refusals and answers name)
  from       効力の初日、なし: 制度のある限り (first day on which it holds; absent: as long as there is a regime)
  until      効力の最終日、なし: 当分の間 (last day on which it holds; absent: until further notice)
  published  もとのページや法令の日付。効力の日とは別 (day of the page or law it was read from, not the day it takes effect)
  source     出典: 条文と deploy/law.md の番号 (articles, and sections of deploy/law.md)
  ja, en     窓口で読み上げる文 (the sentence a clerk reads out)
  next_ja, next_en  次にすること (what to do next)
  setting, value    [law] の名前と今の値 (name in [law], and its value now)`

// rulesCommand answers questions about the law, one JSON object a line.
func (a *app) rulesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "rules", Short: "法令の規則に問う (ask the rules, one JSON object a line; list prints every rule)",
		Long: rulesHelp,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return cli.Usage("%q: %w", args[0], question.ErrUnknown)
			}
			return cmd.Help()
		},
	}
	law := &lawFile{}
	cmd.PersistentFlags().StringVar(&law.path, "config", "", "センターの設定ファイル。[law] の読み方で答える (the hub's configuration, whose [law] is used)")
	cmd.PersistentFlags().StringVar(&law.office, "office", "",
		"役所の定め。その [law] が --config のものに優先する (an office's file, whose [law] goes before that of --config)")
	for _, q := range question.All() {
		cmd.AddCommand(questionCommand(q, law))
	}
	cmd.AddCommand(a.listCommand(law))
	return cmd
}

// lawFile says where the readings of the law come from.
type lawFile struct{ path, office string }

// read returns the readings of the law in the files, or the defaults if none is named.
func (l *lawFile) read() (regime.Switches, error) {
	c := defaults()
	if l.path != "" {
		if err := c.load(l.path); err != nil {
			return regime.Switches{}, err
		}
	}
	if l.office == "" {
		return c.Law, nil
	}
	office, err := officefile.Read(l.office)
	if err != nil {
		return regime.Switches{}, cli.Usage("%w", err)
	}
	return directory.LawOf(office.Definition, c.Law), nil
}

// questionCommand asks one question for every line of standard input.
func questionCommand(q question.Question, law *lawFile) *cobra.Command {
	examples := make([]string, len(q.Examples))
	for i, line := range q.Examples {
		examples[i] = fmt.Sprintf("  echo '%s' | shomei rules %s", line, q.Name)
	}
	return &cobra.Command{
		Use: q.Name, Short: fmt.Sprintf("%s (%s)", q.JA, q.EN), Long: strings.TrimSpace(q.Help()),
		Example: strings.Join(examples, "\n"), Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switches, err := law.read()
			if err != nil {
				return err
			}
			failed, err := question.Answer(switches, q.Name, cmd.InOrStdin(), cmd.OutOrStdout())
			if err == nil && failed > 0 {
				return cli.Exit(cli.ItemsFailed, fmt.Errorf("lines that could not be answered: %d; each says why in its place", failed))
			}
			return err
		},
	}
}

// listCommand prints every rule.
func (a *app) listCommand(law *lawFile) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "規則の一覧 (every rule: id, effect, source, sentence, what to do next)", Long: listHelp, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switches, err := law.read()
			if err != nil {
				return err
			}
			return a.listRules(cmd.OutOrStdout(), switches, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "1行に1つの JSON (one JSON object a rule, in both languages)")
	return cmd
}

// settingOf returns the setting on which a rule depends, with its value in s, or "".
func settingOf(id regime.ID, s regime.Switches) (name, value string) {
	for _, x := range regime.Settings() {
		if slices.Contains(x.Rules, id) {
			return x.Name, x.Of(s)
		}
	}
	return "", ""
}

func (a *app) listRules(out io.Writer, switches regime.Switches, asJSON bool) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	for _, r := range regime.Rules() {
		setting, value := settingOf(r.ID, switches)
		if asJSON {
			if err := encoder.Encode(ruleLine{r.ID, r.From, r.Until, r.Published, r.Source, r.JA, r.EN, r.NextJA, r.NextEN, setting, value}); err != nil {
				return err
			}
			continue
		}
		sentence, next := r.JA, r.NextJA
		if a.Lang == "en" {
			sentence, next = r.EN, r.NextEN
		}
		if setting != "" {
			setting += " = " + value
		}
		span := r.From.String() + "…" + r.Until.String()
		if _, err := fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\t%s\n", r.ID, span, r.Source, sentence, next, setting); err != nil {
			return err
		}
	}
	return nil
}

// ruleLine is a rule on a line of `shomei rules list --json`. An absent day leaves that end of its range open.
type ruleLine struct {
	ID        regime.ID  `json:"id"`
	From      civil.Date `json:"from,omitzero"`
	Until     civil.Date `json:"until,omitzero"`
	Published civil.Date `json:"published,omitzero"`
	Source    string     `json:"source"`
	JA        string     `json:"ja"`
	EN        string     `json:"en"`
	NextJA    string     `json:"next_ja,omitempty"`
	NextEN    string     `json:"next_en,omitempty"`
	Setting   string     `json:"setting,omitempty"`
	Value     string     `json:"value,omitempty"`
}
