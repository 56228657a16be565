package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"shomei/cmd/cli"
	"shomei/cmd/shomei/hub"
	"shomei/pkg/eventlog"
	"shomei/pkg/vault"
	"shomei/pkg/warehouse"
	"shomei/pkg/warehouse/engine"
	"shomei/services/fsck"
)

// fsckCommand checks everything and lists what differs.
func (a *app) fsckCommand() *cobra.Command {
	return &cobra.Command{
		Use: "fsck", Short: "記録、表、失効リスト、鍵を突き合わせる (check them and the vault against each other; exit 3 and a list when something differs)", Args: cobra.NoArgs,
		Long: `Check the log in itself (chain, signatures, times, carried states, obligations, serials), every row and column of the
tables against the log, and the revocation lists and the vault against the log. One line for each thing found: where, what,
and what to do next.

Tables that are merely behind are no finding: without a running hub they are brought forward first, and a running hub is
waited for. Only when nobody brings them forward for five seconds that is named, too.

Exit codes: 0 nothing differs; 3 something does; 75 the check can't be made now, because another command holds the folder or
the tables are being made anew; 78 there are no data here; 1 the check failed.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			found, err := a.fsck(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
			if err == nil && found > 0 {
				return cli.Exit(cli.Found, fmt.Errorf("%d findings", found))
			}
			return err
		},
	}
}

func (a *app) fsck(ctx context.Context, out, progress io.Writer) (found uint64, err error) {
	h, err := a.attach(ctx)
	if errors.Is(err, warehouse.ErrDamaged) || errors.Is(err, engine.ErrStart) {
		fmt.Fprintf(out, "tables: %v; start the hub: it makes them anew\n", err)
		found = 1
		h, err = a.attachLog(ctx) // the rest can still be checked
	}
	if errors.Is(err, eventlog.ErrBehindMark) || errors.Is(err, eventlog.ErrDamaged) || errors.Is(err, eventlog.ErrForged) {
		fmt.Fprintln(out, err) // a log that can't be opened is a finding
		return 1, nil
	}
	if err != nil {
		return 0, err
	}
	defer h.Close()
	if h.Behind > 0 {
		fmt.Fprintf(progress,
			a.Say("表は記録より %d 件遅れていたので、先に進めました。\n", "the tables were %d commits behind the log and were brought forward\n"), h.Behind)
	}
	lost := a.reachVault(ctx, h)
	if lost != nil && !vaultLost(lost) {
		fmt.Fprintln(progress, a.Say("鍵の保管庫は調べません:", "the vault is not looked at:"), lost)
	}
	report, err := h.Fsck(ctx, tell(progress))
	if err != nil {
		return 0, err
	}
	if vaultLost(lost) {
		report.Findings = append(report.Findings, fsck.Finding{
			Where: "vault", What: lost.Error(), Next: "restore the newest copy of this log's vault, with its master key",
		})
	}
	for _, f := range report.Findings {
		fmt.Fprintln(out, f)
	}
	for _, key := range report.Closed {
		fmt.Fprintf(out, a.Say("%s: 失われたコミットがあり、ふたりの職員が閉じました\n", "%s: lost commits, and two operators have closed it\n"), key)
	}
	if report.More > 0 {
		fmt.Fprintf(out, "and %d more\n", report.More)
	}
	found += uint64(len(report.Findings)) + report.More
	if found == 0 {
		fmt.Fprintf(out, "%d commits, %d aggregates: nothing differs\n", report.Commits, report.Aggregates)
	}
	return found, nil
}

// reachVault lets a check look at the keys: in the vault itself or, if a hub holds it or a program of its own, by asking the
// centre that runs.
func (a *app) reachVault(ctx context.Context, h *hub.Parts) error {
	if !h.Separated() {
		if err := h.OpenVault(ctx); !errors.Is(err, vault.ErrInUse) {
			return err
		}
	}
	c, err := a.looking()
	if err != nil {
		return err
	}
	centre, err := hub.Operate(ctx, c, nil)
	if err != nil {
		return err
	}
	h.LookAtVaultOf(centre)
	return nil
}

// vaultLost reports whether the vault is not the one that the log needs.
func vaultLost(err error) bool {
	return errors.Is(err, vault.ErrGone) || errors.Is(err, vault.ErrOtherVault) || errors.Is(err, vault.ErrMasterKey)
}

// tell returns a function that prints the progress of a long check every few seconds.
func tell(out io.Writer) func(commits uint64) {
	begin := time.Now()
	last := begin
	return func(commits uint64) {
		if time.Since(last) > 2*time.Second {
			last = time.Now()
			fmt.Fprintf(out, "%d commits, %.0f a second\n", commits, float64(commits)/time.Since(begin).Seconds())
		}
	}
}
