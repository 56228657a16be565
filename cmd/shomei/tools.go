package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"shomei/cmd/cli"
	"shomei/cmd/shomei/hub"
	"shomei/events"
	"shomei/pkg/access"
	"shomei/pkg/civil"
	"shomei/pkg/crashpoint"
	"shomei/pkg/dossier"
	"shomei/pkg/eventlog"
	"shomei/pkg/lifecycle"
	"shomei/pkg/vault"
	"shomei/pkg/warehouse"
)

// logCommand shows the history of one aggregate, one line an event.
func (a *app) logCommand() *cobra.Command {
	var open, asJSON bool
	var by looker
	cmd := &cobra.Command{
		Use: "log KIND/ID", Short: "ひとつの履歴を規則の番号とともに見る (the history of one subscriber, card, office or authority)", Long: logHelp,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			kind, id, ok := strings.Cut(args[0], "/")
			if !ok || !slices.Contains(events.Kinds, kind) {
				return cli.Usage("%q is not KIND/ID: KIND is one of %s, for example authority/sign",
					args[0], strings.Join(events.Kinds, ", "))
			}
			credited, err := a.credited()
			if err == nil {
				err = by.check(open, credited != "")
			}
			if err != nil {
				return err
			}
			h, err := a.attachLog(cmd.Context())
			if err != nil {
				return err
			}
			defer h.Close()
			history, err := h.Log.History(cmd.Context(), kind, id)
			if err != nil {
				return err
			}
			if len(history) == 0 {
				return fmt.Errorf("%w %s %s: look its id up with shomei state SERIAL, or on the console", cli.ErrNotInLog, kind, id)
			}
			look := hub.Look{Place: access.Log, About: args[0], Purpose: "history shown"}
			if kind == events.KindSubscriber {
				look.About, look.Subscriber = "", id
			}
			var file dossier.Dossier
			if open { // before anything is printed: it may be refused
				keys, err := a.mayOpen(cmd, h, by, kind, id)
				if keys == nil || err != nil {
					return err
				}
				file = dossier.Of(keys, id, history)
				look.Purpose, look.Classes = "sealed fields opened", openedBy(file)
			}
			if open || kind == events.KindSubscriber {
				if err := a.recordLook(cmd, h, by, look); err != nil {
					return err
				}
			}
			if err := printHistory(cmd.OutOrStdout(), history, asJSON); err != nil || !open {
				return err
			}
			return openSealed(cmd, file)
		},
	}
	cmd.Flags().BoolVar(&open, "open", false, "封をされた欄も開く。ふたりで (open sealed fields as well, by two operators)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a commit")
	by.bind(cmd)
	cmd.AddCommand(a.repairCommand(), a.closeCommand())
	return cmd
}

func printHistory(out io.Writer, history []eventlog.Record, asJSON bool) error {
	for _, r := range history {
		line, err := events.JSON(r.Stored)
		if err != nil {
			return err
		}
		if asJSON {
			fmt.Fprintf(out, "%s\n", line)
			continue
		}
		for _, e := range r.Commit.Events {
			at := time.UnixMilli(e.RecordedMs).In(civil.Tokyo).Format("2006-01-02 15:04:05")
			fmt.Fprintf(out, "%4d  %s  %-26s %s\n", r.Commit.Revision, at, events.Name(e), strings.Join(e.RuleIds, " "))
			body, err := events.EventJSON(e)
			if err != nil {
				return err
			}
			fmt.Fprintf(out, "      %s\n", body)
		}
	}
	return nil
}

// mayOpen returns what opens the sealed fields of a history: the vault's service, once another operator has approved it, or in a trial
// the vault of a centre that is stopped. It returns nil if the opening was asked for now, or waits, and says so.
func (a *app) mayOpen(cmd *cobra.Command, h *hub.Parts, by looker, kind, id string) (dossier.Keys, error) {
	if !h.Credited() && h.Directory.Trial() {
		err := h.OpenVault(cmd.Context())
		return h.Vault, err
	}
	orders, err := h.By(by.officer)
	if err != nil {
		return nil, err
	}
	one, may, err := orders.AskOpening(cmd.Context(), kind, id, by.why)
	switch {
	case err != nil:
		return nil, err
	case may:
		return h.Sealed(), nil
	}
	a.tellAsked(cmd.ErrOrStderr(), orders, one)
	return nil, cli.Exit(cli.TryLater, fmt.Errorf("%s", a.Say("承認されたら、同じ命令をもう一度", "give the same command again once it is approved")))
}

// openedBy lists the record classes that openSealed opens of a history.
func openedBy(file dossier.Dossier) []string {
	return slices.DeleteFunc(file.Classes(), func(class string) bool { return class == vault.Certificate })
}

// openSealed prints the sealed parts of a history, for a holder of the keys: a subscriber's record and contact, what
// people wrote in their own words, and a quarantined claim.
func openSealed(cmd *cobra.Command, file dossier.Dossier) error {
	show := func(what string, value any, err error) error {
		if errors.Is(err, dossier.ErrNotFound) {
			return nil
		}
		if errors.Is(err, vault.ErrErased) {
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s  消去済み erased\n", what)
			return err
		}
		if err != nil {
			return err
		}
		text, err := json.Marshal(value)
		fmt.Fprintf(cmd.OutOrStdout(), "%s  %s\n", what, text)
		return err
	}
	record, err := file.Identity()
	if err := show("identity", record, err); err != nil {
		return err
	}
	contact, err := file.Contact()
	if err := show("contact", contact, err); err != nil {
		return err
	}
	for _, note := range file.Notes() {
		if err := show(fmt.Sprintf("%4d  %s", note.Revision, note.Event), note.Text, note.Err); err != nil {
			return err
		}
	}
	signed, err := file.Claim()
	return show("claim", shownClaim(signed), err)
}

// shownClaim decodes a quarantined claim for people; anything else is shown as bytes.
func shownClaim(signed []byte) any {
	outer := &events.SignedClaim{}
	if proto.Unmarshal(signed, outer) != nil {
		return signed
	}
	if claim, err := events.DecodeClaim(outer.GetClaim()); err == nil {
		if text, err := protojson.Marshal(claim); err == nil {
			return json.RawMessage(text)
		}
	}
	return signed
}

// stateCommand shows certificates as they were at an instant.
func (a *app) stateCommand() *cobra.Command {
	var at string
	var asJSON bool
	var by looker
	cmd := &cobra.Command{
		Use: "state SERIAL|SUBSCRIBER", Short: "電子証明書の状態を見る (a certificate, or all of a subscriber, now or at an instant)",
		Args: cobra.ExactArgs(1),
		Long: `SERIAL は10進の数字か、ほかの道具が示す16進(0xBEB75A80DB60DAB8、be:b7:5a:80:db:60:da:b8)で書きます。
SERIAL is written in decimal digits, or in hexadecimal as other tools show it (0xBEB75A80DB60DAB8, be:b7:5a:80:db:60:da:b8).`,
		RunE: func(cmd *cobra.Command, args []string) error {
			h, err := a.attach(cmd.Context())
			if err != nil {
				return err
			}
			defer h.Close()
			when, err := instant(h, "at", at)
			if err != nil {
				return err
			}
			list, err := h.Warehouse.State(cmd.Context(), args[0], when)
			if err != nil {
				return fmt.Errorf("%s: %w; check the number, and the day of --at", args[0], err)
			}
			look := hub.Look{Subscriber: list[0].Subscriber, Place: access.State, Purpose: "certificates shown"}
			if err := a.recordLook(cmd, h, by, look); err != nil {
				return err
			}
			if err := tellWhereItGoesOn(cmd, h, list[0].Subscriber); err != nil {
				return err
			}
			return printCertificates(cmd.OutOrStdout(), list, asJSON)
		},
	}
	cmd.Flags().StringVar(&at, "at", "", "instant (RFC 3339) or day (its end); default now")
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a certificate")
	by.bind(cmd)
	return cmd
}

// tellWhereItGoesOn names the history under which a subscriber's goes on, if two were joined.
func tellWhereItGoesOn(cmd *cobra.Command, h *hub.Parts, subscriber string) error {
	if !events.ValidID(subscriber) {
		return nil // a certificate outside the log
	}
	head, err := h.Log.Load(cmd.Context(), events.KindSubscriber, subscriber)
	if err != nil {
		return fmt.Errorf("looking where the history goes on: %w", err)
	}
	state, err := lifecycle.DecodeSubscriber(head.State)
	if err == nil && state.AliasOf != "" {
		fmt.Fprintf(cmd.ErrOrStderr(), "この記録は終わり、%[1]s に続いています (this history has ended and goes on as %[1]s): shomei state %[1]s\n", state.AliasOf)
	}
	return err
}

// instant reads an instant, or a day, of which it is the end; default now.
func instant(h *hub.Parts, flag, at string) (time.Time, error) {
	if at == "" {
		return h.Clock.Now(), nil
	}
	if day, err := civil.Parse(at); err == nil {
		return day.EndInstant(), nil
	}
	t, err := time.Parse(time.RFC3339, at)
	if err != nil {
		return t, cli.Usage("--%s %q is neither a day (2020-06-18) nor an instant (2020-06-18T09:00:00+09:00)", flag, at)
	}
	return t, nil
}

func printCertificates(out io.Writer, list []warehouse.Certificate, asJSON bool) error {
	if asJSON {
		encoder := json.NewEncoder(out)
		for _, c := range list {
			if err := encoder.Encode(c); err != nil {
				return err
			}
		}
		return nil
	}
	t := table.NewWriter()
	t.SetOutputMirror(out)
	t.AppendHeader(table.Row{"serial", "kind", "regime", "status", "issued", "last day", "window opens", "reason", "card", "office"})
	for _, c := range list {
		t.AppendRow(table.Row{c.Serial, c.Kind, c.Regime, c.Status, c.NotBefore.In(civil.Tokyo).Format("2006-01-02 15:04:05"), c.LastDay, c.WindowOpens, c.Reason, c.Card, c.Office})
	}
	t.Render()
	return nil
}

// forecastCommand shows how many certificates end, and how many windows open, in each period.
func (a *app) forecastCommand() *cobra.Command {
	var f endings
	cmd := &cobra.Command{
		Use: "forecast", Short: "満了と更新期間の予測 (how many certificates end, and windows open, by month, week or day)", Args: cobra.NoArgs,
		Long: `--at の時点で有効だった証明書を、--known の時点で分かっていたことによって数えます。
Counts the certificates that were in force at --at, by what had been recorded at --known: "--at 2026-04-01 --known 2025-06-01"
is how many would still be in force on 1 April by what was known in June before.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.printEndings(cmd, f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.By, "by", "month", "month, week (from Monday) or day")
	flags.StringVar(&f.place, "office", "", "office id, five-digit municipality code or two-digit prefecture code; default everywhere")
	flags.StringVar(&f.from, "from", "", "first day counted")
	flags.StringVar(&f.to, "to", "", "last day counted")
	flags.StringVar(&f.at, "at", "", "look from this instant or day; default now")
	flags.StringVar(&f.known, "known", "", "count what had been recorded by this instant or day; default all that is")
	flags.BoolVar(&f.wait, "wait", false, "wait until the tables show all that the log holds")
	flags.BoolVar(&f.asJSON, "json", false, "one JSON object a row")
	cmd.AddCommand(a.forecastVisitsCommand(), a.forecastWhatIfCommand(), a.forecastHistoryCommand(), a.forecastBacktestCommand())
	return cmd
}

// endings is a question for what ends and opens, with the options as they were given.
type endings struct {
	warehouse.ForecastQuery
	from, to, at, known, place string
	wait, asJSON               bool
}

func (a *app) printEndings(cmd *cobra.Command, f endings) error {
	if f.By != "month" && f.By != "week" && f.By != "day" {
		return cli.Usage("--by %q: use month, week or day", f.By)
	}
	var err error
	if f.From, err = civil.Parse(f.from); err != nil {
		return cli.Usage("--from: %v", err)
	}
	if f.To, err = civil.Parse(f.to); err != nil {
		return cli.Usage("--to: %v", err)
	}
	h, err := a.attach(cmd.Context())
	if err != nil {
		return err
	}
	defer h.Close()
	if f.When, err = clocks(h, f.at, f.known); err != nil {
		return err
	}
	f.Extent.Place = warehouse.ParsePlace(f.place)
	if err := h.Warehouse.Known(cmd.Context(), f.Extent); err != nil {
		if unknown := (*warehouse.UnknownError)(nil); errors.As(err, &unknown) {
			return cli.Usage("--office: %w", err)
		}
		return err
	}
	if err := tellHowFar(cmd, h, f.wait); err != nil {
		return err
	}
	buckets, err := h.Warehouse.Forecast(cmd.Context(), f.ForecastQuery)
	if err != nil {
		return err
	}
	return printForecast(cmd.OutOrStdout(), buckets, f.asJSON)
}

// clocks reads the two times of a question.
func clocks(h *hub.Parts, at, known string) (c warehouse.Clocks, err error) {
	if c.At, err = instant(h, "at", at); err == nil && known != "" {
		c.Known, err = instant(h, "known", known)
	}
	return c, err
}

// tellHowFar waits for the tables or, if nobody wants to wait, says how many commits they lack.
func tellHowFar(cmd *cobra.Command, h *hub.Parts, wait bool) error {
	if wait {
		return h.Projector.Await(cmd.Context())
	}
	behind, err := h.Projector.Behind(cmd.Context())
	if err == nil && behind > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "表は記録より %[1]d 件遅れています。--wait で追いつくまで待ちます。 (the tables lack %[1]d commits of the log; --wait waits for them)\n", behind)
	}
	return err
}

func printForecast(out io.Writer, buckets []warehouse.Bucket, asJSON bool) error {
	if asJSON {
		encoder := json.NewEncoder(out)
		for _, b := range buckets {
			if err := encoder.Encode(b); err != nil {
				return err
			}
		}
		return nil
	}
	t := table.NewWriter()
	t.SetOutputMirror(out)
	t.AppendHeader(table.Row{"from", "regime", "kind", "ending", "windows opening"})
	for _, b := range buckets {
		t.AppendRow(table.Row{b.Starts, b.Regime, b.Kind, b.Expiring, b.Opening})
	}
	t.Render()
	return nil
}

// rebuildCommand makes the tables anew from the log, beside the live ones, and swaps them in.
func (a *app) rebuildCommand() *cobra.Command {
	return &cobra.Command{
		Use: "rebuild", Short: "表を記録から作り直す (make the tables anew from the log beside the live ones, then swap)", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			h, err := a.attach(cmd.Context())
			if err != nil {
				return err
			}
			defer h.Close()
			begin := time.Now()
			last := begin
			changes, err := h.Projector.Rebuild(cmd.Context(), func(n uint64) {
				if time.Since(last) > time.Second {
					last = time.Now()
					fmt.Fprintf(cmd.ErrOrStderr(), "%d commits, %.0f a second\n", n, float64(n)/time.Since(begin).Seconds())
				}
			})
			if err != nil {
				return err
			}
			t := table.NewWriter()
			t.SetOutputMirror(cmd.OutOrStdout())
			t.AppendHeader(table.Row{"table", "rows before", "rows after"})
			for _, c := range changes {
				t.AppendRow(table.Row{c.Table, c.Before, c.After})
			}
			t.Render()
			return nil
		},
	}
}

// crashpointsCommand prints where a process can be killed between two durable steps.
func crashpointsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "crashpoints", Short: "試験用の停止点の一覧 (places between two durable steps, for tests with " + crashpoint.Variable + ")",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, name := range crashpoint.List() {
				fmt.Fprintln(cmd.OutOrStdout(), name)
			}
			return nil
		},
	}
}
