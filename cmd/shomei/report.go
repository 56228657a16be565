package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"shomei/cmd/cli"
	"shomei/cmd/shomei/hub"
	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/intake"
)

// reportCommand reports facts that reach the hub without a counter.
func (a *app) reportCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "report loss|change|order",
		Short: "電話の届け、住民票の異動、職権の失効 (what no counter tells: a loss by telephone, a change of the register, an order)",
		Args:  cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.reportLossCommand(), a.reportChangeCommand(), a.reportOrderCommand())
	return cmd
}

// reporting holds the flags of every report.
type reporting struct{ office, officer, record, why string }

func (r *reporting) bind(cmd *cobra.Command) {
	cmd.Flags().StringVar(&r.office, "office", "", "届け出のあった役所 (office where it was told)")
	_ = cmd.MarkFlagRequired("office") // defined on the line above
	officerFlag(cmd, &r.officer, "")
}

// report sends a fact and prints the decision.
func (a *app) report(cmd *cobra.Command, r reporting, role, subscriber string, claim *events.Claim) error {
	fact, err := hub.FactJSON(claim)
	if err != nil {
		return err
	}
	var record []byte
	if r.record != "" {
		if record, err = os.ReadFile(r.record); err != nil {
			return fmt.Errorf("reading the resident record: %w", err)
		}
	}
	orders, done, err := a.orders(cmd, r.officer)
	if err != nil {
		return err
	}
	defer done()
	reported, err := orders.Report(cmd.Context(), hub.Report{
		Role: role, Office: r.office, Subscriber: subscriber, Fact: fact, Record: record, Why: r.why,
	})
	if err != nil {
		return err
	}
	if reported.Asked != nil {
		a.tellAsked(cmd.OutOrStdout(), orders, *reported.Asked)
		return nil
	}
	for _, e := range reported.Events {
		fmt.Fprintf(cmd.OutOrStdout(), "%-26s %s\n", e.Name, strings.Join(e.Rules, " "))
	}
	if len(reported.Events) == 0 {
		return cli.Exit(cli.TryLater, fmt.Errorf(a.Say("届け出 %s は届きましたが、まだ判定されていません。shomei log でお確かめください",
			"claim %s has arrived and is not decided yet: look with shomei log, and at the hub's log for a quarantine"), reported.Claim))
	}
	return nil
}

func (a *app) reportLossCommand() *cobra.Command {
	var r reporting
	cmd := &cobra.Command{
		Use: "loss SUBSCRIBER", Short: "電話による紛失の届け。一時停止する (a loss told by telephone: suspends)", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.report(cmd, r, "telephone", args[0],
				&events.Claim{Fact: &events.Claim_LossNotified{LossNotified: &events.LossNotified{By: "telephone"}}})
		},
	}
	r.bind(cmd)
	return cmd
}

const changeHelp = `住民基本台帳から通知された異動を届けます。氏名、性別、住所、生年月日、転入、在留期間の異動には、異動後の住民票の事項を
JSON のファイルで渡します(--record)。読んだあとのファイルの始末は、渡した人が行ってください。
Tells a change that the resident register notifies. A change of name, sex, address, birth date, a move in and a period of
stay need the resident record as it is now, in a JSON file (--record). Whoever wrote the file destroys it.

  {"resident_code":"…","name":"…","birth_date":"1990-06-18","sex":2,"address":"…","registered":true,"municipality":"12237"}

CHANGE: `

func (a *app) reportChangeCommand() *cobra.Command {
	var r reporting
	var f events.RecordChangeNotified
	cmd := &cobra.Command{
		Use: "change SUBSCRIBER CHANGE --on DATE", Short: "住民票の異動 (a change of the resident record)",
		Long: changeHelp + strings.Join(intake.ChangeWords(), " "), Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			change, known := intake.ChangeOf(args[1])
			f.Change = change.Kind
			for _, day := range []string{f.CausedOn, f.PlannedOn} {
				if _, err := civil.Parse(day); err != nil {
					return cli.Usage("%v", err)
				}
			}
			switch {
			case !known:
				return cli.Usage("%q is no change: there are %s", args[1], strings.Join(intake.ChangeWords(), " "))
			case change.Record && r.record == "":
				return cli.Usage("a change of %s needs the resident record as it is now: --record FILE", args[1])
			}
			return a.report(cmd, r, "register", args[0], &events.Claim{Fact: &events.Claim_RecordChangeNotified{RecordChangeNotified: &f}})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.CausedOn, "on", "", "異動の日 (day on which it came about)")
	flags.StringVar(&f.PlannedOn, "planned", "", "転出の予定日 (planned day of a move out)")
	flags.BoolVar(&f.KeepUsing, "keep-using", false, "カードの継続利用 (the card is kept in use over a move)")
	flags.StringVar(&r.record, "record", "", "異動後の住民票の事項、JSON のファイル (resident record after the change)")
	_ = cmd.MarkFlagRequired("on") // defined above
	r.bind(cmd)
	return cmd
}

var orderReasons = map[string]events.RevocationReason{
	"certificate-error": events.RevocationReason_REVOCATION_REASON_AFFILIATION_CHANGED,
	"ca-compromise":     events.RevocationReason_REVOCATION_REASON_CA_COMPROMISE,
}

func (a *app) reportOrderCommand() *cobra.Command {
	var r reporting
	var serials []string
	cmd := &cobra.Command{
		Use: "order SUBSCRIBER certificate-error|ca-compromise --serial N", Short: "職権による失効、ふたりで (the authority itself revokes, by two operators)",
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			reason, known := orderReasons[args[1]]
			if !known {
				return cli.Usage("%q is no order: there are certificate-error and ca-compromise", args[1])
			}
			fact := &events.AuthorityOrder{Reason: reason}
			for _, s := range serials {
				serial, err := events.ParseSerial(s)
				if err != nil {
					return cli.Usage("--serial: %v", err)
				}
				fact.Serials = append(fact.Serials, serial)
			}
			return a.report(cmd, r, "operator", args[0], &events.Claim{Fact: &events.Claim_AuthorityOrder{AuthorityOrder: fact}})
		},
	}
	cmd.Flags().StringSliceVar(&serials, "serial", nil, "シリアル番号。10進か、0x の16進 (serial numbers, decimal or 0x hexadecimal)")
	_ = cmd.MarkFlagRequired("serial") // defined on the line above
	cmd.Flags().StringVar(&r.why, "why", "", "理由、1行。封をして記録される。ふたりで出すときに要る (reason, one line, sealed in the log; needed but in a trial)")
	r.bind(cmd)
	return cmd
}
