package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"shomei/pkg/card"
	"shomei/pkg/card/softcard"
	"shomei/pkg/card/vreader"
	"shomei/pkg/counterlink"
)

// platformCommands returns the commands for Linux only: vpcd is a driver of pcscd.
func platformCommands(lang *language) []*cobra.Command {
	return []*cobra.Command{softcardCommand(lang)}
}

type softcardFlags struct {
	store, vpcd, dir string
}

func softcardCommand(lang *language) *cobra.Command {
	var f softcardFlags
	cmd := &cobra.Command{
		Use:   "softcard --store FILE (--vpcd HOST:PORT | --virtual-reader DIR)",
		Short: "ソフトウェアのカードを仮想リーダーに挿入する (put a card in software into a virtual reader)",
		Long: `Puts the card of FILE into a virtual reader of pcscd until the program ends.

  --vpcd HOST:PORT       the machine's pcscd with Debian's vsmartcard-vpcd, usually 127.0.0.1:35963.
                         vpcd listens on all interfaces without asking who comes: keep its port behind a firewall.
  --virtual-reader DIR   an own pcscd with its socket in DIR, reachable from this machine alone (needs root).
                         Programs find it by the environment variable that is printed.

SIGHUP takes the card out, reads FILE again and puts it back in.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runSoftcard(cmd, lang, f) },
	}
	cmd.Flags().StringVar(&f.store, "store", "", "カードのファイル (the card's file)")
	cmd.Flags().StringVar(&f.vpcd, "vpcd", "", "vpcd の HOST:PORT (address of vpcd)")
	cmd.Flags().StringVar(&f.dir, "virtual-reader", "", "専用の pcscd のディレクトリ (directory of an own pcscd)")
	cmd.MarkFlagRequired("store")
	cmd.AddCommand(newCardCommand(lang))
	return cmd
}

func runSoftcard(cmd *cobra.Command, lang *language, f softcardFlags) error {
	if (f.vpcd == "") == (f.dir == "") {
		return fmt.Errorf("%w: give either --vpcd or --virtual-reader", errUsage)
	}
	log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
	c, err := softcard.Open(softcard.Config{Path: f.store, Log: log})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	var reader *softcard.Reader
	if f.dir != "" {
		service, err := vreader.Start(ctx, vreader.Config{Dir: f.dir, Log: log})
		if err != nil {
			return err
		}
		defer service.Close()
		reader = service.Readers[0]
		fmt.Fprintln(cmd.OutOrStdout(), service.Env())
	} else {
		if reader, err = onMachine(ctx, f.vpcd, log); err != nil {
			return err
		}
	}
	reader.Insert(c)
	fmt.Fprintf(cmd.OutOrStdout(), lang.say("カード %s を挿入しました。Ctrl-C で終わります。\n", "Card %s is in the reader. Ctrl-C ends.\n"), c.ID())
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-hangups:
			reload(reader, f.store, log)
		}
	}
}

// onMachine runs a reader for a vpcd that must be there.
func onMachine(ctx context.Context, vpcd string, log *slog.Logger) (*softcard.Reader, error) {
	dial := softcard.DialVPCD(vpcd)
	conn, err := dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("vpcd: %w; is vsmartcard-vpcd installed and pcscd running? %w", errUnreachable, err)
	}
	conn.Close()
	reader := softcard.NewReader(dial, log)
	go reader.Run(ctx)
	return reader, nil
}

// reload inserts the card again from its file; a bad file leaves it as it was.
func reload(reader *softcard.Reader, store string, log *slog.Logger) {
	c, err := softcard.Open(softcard.Config{Path: store, Log: log})
	if err != nil {
		log.Error("the card file is unusable; the card stays as it was", "error", err)
		return
	}
	reader.Insert(c)
}

func newCardCommand(lang *language) *cobra.Command {
	var store, id, kind, bundle string
	cmd := &cobra.Command{
		Use:   "new --store FILE --card-id ID --bundle DIR [--kind mynumber|juki]",
		Short: "工場出荷状態のカードを作る (make a card as it leaves the factory)",
		Long: `Makes the file of a card as it leaves the factory. Its transport key is made for this one card and sealed to the
centre of the bundle: only that centre can open the card (deploy/card-keys.md).`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := newCard(store, id, kind, bundle); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), lang.say("カード %s を %s に作りました。\n", "Card %s is in %s.\n"), id, store)
			return nil
		},
	}
	cmd.Flags().StringVar(&store, "store", "", "作るファイル (the file to make)")
	cmd.Flags().StringVar(&id, "card-id", "", "カードの番号 (number of the card)")
	cmd.Flags().StringVar(&kind, "kind", "mynumber", "mynumber, juki")
	cmd.Flags().StringVar(&bundle, "bundle", "", "端末のフォルダー (folder of a bundle of the centre that the card is for)")
	for _, name := range []string{"store", "card-id", "bundle"} {
		cmd.MarkFlagRequired(name)
	}
	return cmd
}

func newCard(store, id, kindName, bundle string) error {
	kind, err := card.ParseKind(kindName)
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	b, err := counterlink.ReadBundle(bundle)
	if err != nil {
		return err
	}
	centre, err := b.Factory()
	if err != nil {
		return err
	}
	key, err := card.NewFactoryKey(centre, id)
	if err != nil {
		return err
	}
	return softcard.Personalise(softcard.Blank{Path: store, CardID: id, Kind: kind, Key: key})
}
