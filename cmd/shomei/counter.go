package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/nats-io/nkeys"
	"github.com/spf13/cobra"

	"shomei/cmd/cli"
	"shomei/cmd/shomei/hub"
	"shomei/pkg/counterlink"
	"shomei/pkg/durable"
)

// Files of a counter's bundle beside counterlink.BundleFile.
const (
	counterKeyFile = "counter.nk"
	sealKeyFile    = "seal.key"
)

// counterCommand enrols, lists, retires and adopts counters.
func (a *app) counterCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "counter enrol|list|renew|retire|adopt",
		Short: "窓口端末を登録する、やめる (enrol a counter, list counters, renew a bundle, retire one, adopt one's store)",
		Args:  cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.enrolCommand(), a.listCountersCommand(), a.renewCommand(), a.retireCommand(), a.adoptCommand())
	return cmd
}

const enrolHelp = `窓口端末を役所に登録し、その端末のフォルダーを DIR に作ります。フォルダーごと端末へ移し、
shomei-agent run --bundle DIR で動かしてください。秘密鍵はこのフォルダーの中だけにあり、センターは持ちません。
同じ DIR でもう一度呼ぶと、同じ鍵のまま作り直します。

Enrols a counter at an office and makes its bundle in DIR. Move the folder to the counter's machine and run
shomei-agent run --bundle DIR there. The secret keys are in this folder only, the hub has none of them. Called again
with the same DIR, it makes the bundle anew with the same keys.

  --host-name  この端末の画面を、役所の他の端末から TLS で使うときのホスト名。同じ DIR でもう一度呼ぶと変えられます。
               The name under which other machines of the office reach the pages, by TLS (shomei-agent run --office-listen). Call it
               again with the same DIR to change it; passkeys of the former name count no more.
  --role   counter 窓口, factory カード工場, register 住民基本台帳, telephone 電話受付, operator 認証局の運用`

func (a *app) enrolCommand() *cobra.Command {
	var officer, dir, host string
	var e hub.Enrolment
	cmd := &cobra.Command{
		Use: "enrol OFFICE --out DIR", Short: "窓口端末を登録する (enrol a counter and make its bundle)", Long: enrolHelp, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			e.Office = args[0]
			if cmd.Flags().Changed("host-name") {
				e.HostName = &host
			}
			orders, done, err := a.orders(cmd, officer)
			if err != nil {
				return err
			}
			defer done()
			enrolled, err := enrolInto(dir, func(b bundleKeys) (hub.Enrolled, error) {
				e.PublicKey, e.SealKey = b.public, b.seal
				if e.Counter == "" {
					e.Counter = b.counter
				}
				return orders.Enrol(cmd.Context(), e)
			})
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), a.Say("%s を登録しました。フォルダー %s を端末へ移し、shomei-agent run --bundle で動かしてください。\n",
				"%s is enrolled. Move the folder %s to its machine and run shomei-agent run --bundle there.\n"), enrolled.Bundle.Counter, dir)
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&dir, "out", "", "端末のフォルダー (folder of the bundle)")
	flags.StringVar(&e.Role, "role", "counter", "counter, factory, register, telephone, operator か phone")
	flags.StringVar(&e.Counter, "counter", "", "端末の名前。なければ次の番号 (its id; default: the office's next)")
	flags.StringVar(&e.Code, "code", "", "証明書に載る9文字の番号。なければ次の番号 (counter id in certificates; default: the municipality's next)")
	flags.StringVar(&e.Hub, "hub", "", "端末からつなぐ場所、tls://HOST:PORT (where the counter reaches the hub; default: where it listens)")
	flags.StringVar(&host, "host-name", "", "役所の他の端末から画面を使うときのホスト名。空なら使わない (host name for other machines of the office; \"\": none)")
	officerFlag(cmd, &officer, itself)
	_ = cmd.MarkFlagRequired("out") // defined above
	return cmd
}

// bundleKeys are what a bundle's folder holds before the counter is enrolled.
type bundleKeys struct {
	public  string
	seal    []byte
	counter string // as enrolled from this folder before; empty the first time
}

// enrolInto makes a counter's keys in a folder, or reads existing ones, has them enrolled and completes the bundle. If
// interrupted, repeat it.
func enrolInto(dir string, enrol func(bundleKeys) (hub.Enrolled, error)) (hub.Enrolled, error) {
	keys, err := openBundle(dir)
	if err != nil {
		return hub.Enrolled{}, fmt.Errorf("making the counter's keys: %w", err)
	}
	enrolled, err := enrol(keys)
	if err != nil {
		return hub.Enrolled{}, err
	}
	b := enrolled.Bundle
	b.Key, b.SealKey = counterKeyFile, sealKeyFile
	if err := b.Write(dir); err != nil {
		return hub.Enrolled{}, err
	}
	return enrolled, counterlink.RemoveOldCardKey(dir)
}

func openBundle(dir string) (keys bundleKeys, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return keys, err
	}
	if before, err := counterlink.ReadBundle(dir); err == nil {
		keys.counter = before.Counter
	}
	seed, err := kept(filepath.Join(dir, counterKeyFile), func() ([]byte, error) {
		pair, err := nkeys.CreateUser()
		if err != nil {
			return nil, err
		}
		return pair.Seed()
	})
	if err != nil {
		return keys, err
	}
	defer clear(seed)
	pair, err := nkeys.FromSeed(seed)
	if err == nil {
		keys.public, err = pair.PublicKey()
	}
	if err != nil {
		return keys, fmt.Errorf("%s: %w", counterKeyFile, err)
	}
	secret, err := kept(filepath.Join(dir, sealKeyFile), func() ([]byte, error) {
		key, err := counterlink.NewSealKey()
		if err != nil {
			return nil, err
		}
		return key.Bytes()
	})
	if err != nil {
		return keys, err
	}
	defer clear(secret)
	seal, err := counterlink.ParseSealKey(secret)
	if err != nil {
		return keys, fmt.Errorf("%s: %w", sealKeyFile, err)
	}
	keys.seal = seal.PublicKey().Bytes()
	return keys, nil
}

// kept reads a secret, or makes it if there is none.
func kept(path string, create func() ([]byte, error)) ([]byte, error) {
	b, err := os.ReadFile(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return b, err
	}
	if b, err = create(); err != nil {
		return nil, err
	}
	return b, durable.WriteSecret(path, b)
}

// counterLine is a counter in a list, with what a running hub knows of its link.
type counterLine struct {
	Counter string `json:"counter"`
	Office  string `json:"office"`
	Role    string `json:"role"`
	Code    string `json:"code,omitempty"`
	Host    string `json:"host_name,omitempty"`
	*counterlink.Seen
}

func (a *app) listCountersCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "登録されている窓口端末の一覧 (every counter that is enrolled)", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			h, err := a.attachLog(cmd.Context())
			if err != nil {
				return err
			}
			defer h.Close()
			seen, err := a.seen(cmd.Context())
			if err != nil {
				return err
			}
			var lines []counterLine
			for _, c := range h.Directory.Counters() {
				lines = append(lines, counterLine{c.ID, c.Office, c.Role, c.Code, c.HostName, seen[c.ID]})
			}
			return printCounters(cmd.OutOrStdout(), lines, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a counter")
	return cmd
}

// seen asks the running hub for the counters' links; without one there are none.
func (a *app) seen(ctx context.Context) (map[string]*counterlink.Seen, error) {
	p, err := a.operate(ctx, false)
	if errors.Is(err, hub.ErrNotRunning) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer p.Close()
	list, err := p.SeenCounters(ctx)
	by := make(map[string]*counterlink.Seen)
	for i := range list {
		by[list[i].Counter] = &list[i]
	}
	return by, err
}

func printCounters(out io.Writer, lines []counterLine, asJSON bool) error {
	if asJSON {
		return printLines(out, lines)
	}
	t := table.NewWriter()
	t.SetOutputMirror(out)
	t.AppendHeader(table.Row{"counter", "office", "role", "code", "host name", "link", "heard", "version", "claims", "commands"})
	for _, c := range lines {
		row := table.Row{c.Counter, c.Office, c.Role, c.Code, c.Host}
		if c.Seen != nil {
			row = append(row, c.Link, tokyo(c.Heard), c.Version, c.Claims, c.Commands)
		}
		t.AppendRow(row)
	}
	t.Render()
	return nil
}

const renewHelp = `登録済みの端末に、センターで何ができるかを示す証明(counter.jwt)を出し直します。これがない古いフォルダーの
端末は、つながりません。DIR に出して端末のフォルダーに置いてください。DIR が端末のフォルダーなら、古い cards.key は消えます。--out なしでは
画面に出します。秘密ではありません。

Makes anew what says what an enrolled counter may do at the hub (counter.jwt). A counter whose folder is from before and has
none can't connect. Write it to DIR and put it into the counter's folder; if DIR is that folder, an old cards.key in it is
deleted. Without --out it is printed. It is no secret.`

func (a *app) renewCommand() *cobra.Command {
	var officer, dir string
	cmd := &cobra.Command{
		Use: "renew COUNTER [--out DIR]", Short: "古いフォルダーの端末をつなげるようにする (make the file by which an older bundle connects)", Long: renewHelp,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			orders, done, err := a.orders(cmd, officer)
			if err != nil {
				return err
			}
			defer done()
			jwt, err := orders.Renew(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if dir == "" {
				fmt.Fprintln(cmd.OutOrStdout(), jwt)
				return nil
			}
			if err := os.MkdirAll(dir, 0o700); err != nil {
				return err
			}
			hadCardKey, err := counterlink.RenewBundle(dir, args[0], jwt)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), a.Say("%s を作りました。端末 %s のフォルダーに置いてください。\n",
				"%s is made. Put it into the folder of counter %s.\n"),
				filepath.Join(dir, counterlink.JWTFile), args[0])
			if hadCardKey {
				fmt.Fprint(cmd.OutOrStdout(), a.Say("古い cards.key を消しました。写しがあれば、それも消してください。\n",
					"The old cards.key is deleted. Delete every copy of it as well.\n"))
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&dir, "out", "", "出す先のフォルダー (folder to write it to)")
	officerFlag(cmd, &officer, itself)
	return cmd
}

func (a *app) retireCommand() *cobra.Command {
	var officer string
	cmd := &cobra.Command{
		Use: "retire COUNTER", Short: "窓口端末の登録をやめる (take a counter's voice away, at once and for good)", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			orders, done, err := a.orders(cmd, officer)
			if err != nil {
				return err
			}
			defer done()
			if err := orders.Retire(cmd.Context(), args[0]); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(),
				a.Say("%s の登録をやめました。この端末からは何も受け付けません。\n", "%s is retired. Nothing is taken from it any more.\n"), args[0])
			return nil
		},
	}
	officerFlag(cmd, &officer, itself)
	return cmd
}

const adoptHelp = `端末とセンターで届け出の記録が食い違うと、センターはその端末から何も受け付けません。--yes なしでは両方の末尾を
示します。端末の記憶装置を取り替えたなど、理由が分かったときだけ、資格(--creds)と --yes --why で、端末の末尾から続けることを求めます。
別の職員が承認すると(shomei approval)続けます。
古い控えを戻したなら、まず正しい記憶を戻してください。隔離されたものはそのまま記録に残ります。

When a counter and the hub disagree about the counter's claims, nothing is taken from it. Without --yes both ends are
shown (exit code 3). Only when the reason is known, such as a new disk, --yes --why asks with credentials (--creds) to go on
from the counter's end, which another operator approves (shomei approval). If an old copy was put back, put the right store back instead. What is in quarantine stays on record.`

func (a *app) adoptCommand() *cobra.Command {
	var officer, why string
	var yes bool
	cmd := &cobra.Command{
		Use: "adopt COUNTER", Short: "食い違った端末の記録を認める (after a mismatch: show both ends, go on from the counter's)", Long: adoptHelp,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			file, err := a.credited()
			if err != nil {
				return err
			}
			credited := file != ""
			if yes && (why == "" || !cmd.Flags().Changed("officer") && !credited) {
				return cli.Usage("--yes needs --creds (in a trial, --officer) and --why: who decided, and why, stay in the log")
			}
			orders, done, err := a.orders(cmd, officer)
			if err != nil {
				return err
			}
			defer done()
			if yes {
				if err := orders.MayAsk(); err != nil {
					return err
				}
			}
			heads, err := orders.Heads(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			a.printHeads(cmd.OutOrStdout(), args[0], heads)
			if !yes {
				return cli.Exit(cli.Found, fmt.Errorf("%s", a.Say("食い違っています。認めることを求めるなら --creds --yes --why を付けてください",
					"the ends differ: to ask to go on from the counter's, add --creds --yes --why")))
			}
			asked, err := orders.Adopt(cmd.Context(), args[0], hub.Adoption{Seen: heads, Why: why})
			if err != nil {
				return err
			}
			if asked != nil {
				a.tellAsked(cmd.OutOrStdout(), orders, *asked)
				return nil
			}
			fmt.Fprintf(cmd.OutOrStdout(), a.Say("%s の届け出を、端末の末尾から続けます。\n", "Claims of %s go on from the counter's end.\n"), args[0])
			return nil
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "端末の末尾から続ける (go on from the counter's end)")
	cmd.Flags().StringVar(&why, "why", "", "理由。封をして記録に残る (why; it stays in the log, sealed)")
	officerFlag(cmd, &officer, itself)
	return cmd
}

func (a *app) printHeads(out io.Writer, counter string, h hub.Heads) {
	t := table.NewWriter()
	t.SetOutputMirror(out)
	t.AppendHeader(table.Row{counter, "store", "claims", "last"})
	t.AppendRow(table.Row{a.Say("センター", "hub"), h.Hub.Epoch, h.Hub.Number, fmt.Sprintf("%.8x", h.Hub.Hash)})
	t.AppendRow(table.Row{a.Say("端末", "counter"), h.Counter.Epoch, h.Counter.Number, fmt.Sprintf("%.8x", h.Counter.Hash)})
	t.Render()
	fmt.Fprintln(out, h.Why)
}
