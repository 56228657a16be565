package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"shomei/cmd/shomei/hub"
	"shomei/pkg/regime"
)

const eraseHelp = `利用者の個人情報を、記録の種別ごとに永久に消去します。まず決定を記録し、そのあと鍵を破棄します。鍵がなければ、
記録にもその控えにも、読めるものは残りません。保存期間(shomei rules list の retention.…)が終わるまでは不受理です。
ふたりで出す命令です。別の職員が承認するまで(shomei approval)待ちます。

Erases what is sealed of a subscriber under one record class, for good: first the order is recorded, then the key is
destroyed, and with it whatever the log and every copy of it hold under it. Refused (exit code 1) while a retention
period runs (retention.… in shomei rules list). It takes two operators: the order waits until another one approves it
(shomei approval).

  --class identity     住民票の事項 (the resident record): 発行記録、申請書の保存期間
          certificate  電子証明書と署名前の内容 (certificates and what was signed): 発行記録の保存期間
          contact      通知の宛先 (where notices go): いつでも (at any time)`

// eraseCommand orders the erasure of personal data.
func (a *app) eraseCommand() *cobra.Command {
	var officer string
	var e hub.Erasure
	cmd := &cobra.Command{
		Use:   "erase SUBSCRIBER --class CLASS --order NUMBER --officer NUMBER",
		Short: "個人情報を消去する (erase what is sealed of a subscriber, for good)",
		Long:  eraseHelp, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			orders, done, err := a.orders(cmd, officer)
			if err != nil {
				return err
			}
			defer done()
			erased, err := orders.Erase(cmd.Context(), args[0], e)
			if err != nil {
				return err
			}
			for _, other := range erased.Others {
				fmt.Fprintf(cmd.OutOrStdout(), a.Say("この方には、統合された別の記録 %s があります。その分の消去は、別に決定してください。\n",
					"The person has another history, %s, which was joined with this one. Its erasure takes an order of its own.\n"), other)
			}
			if erased.Asked != nil {
				a.tellAsked(cmd.OutOrStdout(), orders, *erased.Asked)
				return nil
			}
			if !erased.Ordered {
				a.printKept(cmd.OutOrStdout(), erased.Kept)
				return fmt.Errorf("%w: a retention period still runs", hub.ErrRefused)
			}
			a.printErased(cmd.OutOrStdout(), e.Class, erased)
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&e.Class, "class", "", "identity, certificate か contact")
	flags.StringVar(&e.Order, "order", "", "決裁文書の番号。封をして記録に残る (number of the written order; it stays in the log, sealed)")
	officerFlag(cmd, &officer, "")
	_ = cmd.MarkFlagRequired("class") // both flags are defined above
	_ = cmd.MarkFlagRequired("order")
	return cmd
}

// printKept lists the rules that require the data to be kept, and until when.
func (a *app) printKept(out io.Writer, kept []hub.Kept) {
	for _, k := range kept {
		rule, _ := regime.Lookup(k.Rule)
		fmt.Fprintf(out, a.Say("%s  %s まで  %s\n", "%s  until %s  %s\n"), k.Rule, k.Until, a.Say(rule.JA, rule.EN))
	}
}

func (a *app) printErased(out io.Writer, class string, erased hub.Erased) {
	if erased.Before {
		fmt.Fprintf(out, a.Say("%s の消去はすでに決定されています。\n", "The erasure of %s was ordered before.\n"), class)
	} else {
		fmt.Fprintf(out, a.Say("%s の消去を決定し、記録しました。\n", "The erasure of %s is ordered and recorded.\n"), class)
	}
	if erased.Destroyed {
		fmt.Fprintln(out, a.Say("鍵は破棄されました。", "The key is destroyed."))
	} else {
		fmt.Fprintln(out,
			a.Say("鍵はまだ破棄されていません。センターが動いていれば続けて行います。", "The key is not destroyed yet; the hub goes on with it while it runs."))
	}
}
