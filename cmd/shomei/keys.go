package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"shomei/cmd/shomei/hub"
	"shomei/pkg/eventlog"
	"shomei/pkg/ops"
	"shomei/pkg/secret"
)

// unlocking returns what unlocks the keys, as configured and by the flags that every command has.
func (a *app) unlocking(u hub.Unlocking) hub.Unlocking {
	u.File = cmp.Or(a.unlockFile, u.File)
	u.Ask = a.ask
	return u
}

// unlockingOf returns what unlocks the keys by the environment and the flags, for commands that read no configuration.
func (a *app) unlockingOf() (hub.Unlocking, error) {
	var c struct {
		Keys hub.Unlocking `toml:"keys"`
	}
	err := ops.Load("", os.Environ(), &c)
	return a.unlocking(c.Keys), err
}

// ask asks for a passphrase or a PIN at the terminal, which shows nothing of it; twice for one that is new.
func (a *app) ask(kind secret.Kind, fresh bool) (string, error) {
	terminal, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return "", fmt.Errorf("%w by %s, and there is no terminal to ask at: name a file with --unlock-file", secret.ErrLocked, kind)
	}
	defer terminal.Close()
	question := a.Say("鍵の合言葉", "Passphrase of the keys")
	switch {
	case kind == secret.Token:
		question = a.Say("トークンの PIN", "PIN of the token")
	case fresh:
		question = a.Say("鍵の新しい合言葉", "New passphrase of the keys")
	}
	read := func(question string) ([]byte, error) {
		fmt.Fprint(terminal, question+": ")
		defer fmt.Fprintln(terminal)
		return term.ReadPassword(int(terminal.Fd()))
	}
	text, err := read(question)
	if err == nil && fresh && kind == secret.Passphrase {
		var again []byte
		if again, err = read(a.Say("もう一度", "Once more")); err == nil && !bytes.Equal(text, again) {
			err = errors.New("the two are not the same")
		}
	}
	return string(text), err
}

const keysHelp = `センターの鍵を、暗号化し、調べ、替えます。センター(分けたときは、そのプログラム)を止めてから行います。
Encrypt, list and change the keys of a centre, or of one of its programs, that is stopped.`

// keysCommand looks after the keys of a centre.
func (a *app) keysCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "keys seal|unseal|list|root|change", Short: "鍵を暗号化する、調べる、替える (encrypt, list and change the centre's keys)", Long: keysHelp,
		Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.sealCommand(), a.unsealCommand(), a.listKeysCommand(), a.rootCommand(), a.changeCommand())
	return cmd
}

const sealHelp = `データのフォルダーの鍵を、合言葉(passphrase)、systemd の資格(credential)、PKCS#11 のトークン(pkcs11)のどれかで開くように
暗号化します。暗号化されているものは、新しい鍵と合言葉で暗号化し直します。途中で止まっても失われません。同じ命令で続けます。
--file は、合言葉、資格、PIN のファイルです。なければ、合言葉と PIN は端末で尋ね、資格は作ります。データのフォルダーには置けません。
Encrypt the keys of the data folder, to be unlocked by a passphrase, a systemd credential (an age identity) or a key inside a
PKCS#11 token. Keys that are sealed are sealed anew. Nothing is lost if it is interrupted: the same command goes on. --file
holds the passphrase, the credential or the PIN; without it a passphrase or PIN is asked for. A credential that is not there is
made, and so is the key inside a token. The file may not lie in the data folder.

  shomei keys seal --unlock passphrase
  shomei keys seal --unlock credential --file /media/safe/shomei.unlock
  shomei keys seal --unlock pkcs11 --module /usr/lib/softhsm/libsofthsm2.so --token shomei --key shomei --file /media/safe/pin`

func (a *app) sealCommand() *cobra.Command {
	var to hub.Unlocking
	cmd := &cobra.Command{
		Use: "seal --unlock KIND", Short: "鍵を暗号化する (encrypt the keys)", Long: sealHelp, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.looking()
			if err != nil {
				return err
			}
			to.Ask = a.ask
			count, err := hub.Seal(cmd.Context(), c, to)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), a.Say(
				"%d個の鍵を暗号化しました。設定の [keys] に unlock = %q と書いてください。\n",
				"%d keys are sealed. Write unlock = %q below [keys] of the configuration.\n"), count, to.Unlock)
			return err
		},
	}
	flags := cmd.Flags()
	unlockFlag(flags, &to.Unlock)
	flags.StringVar(&to.File, "file", "", "合言葉、資格、PIN のファイル (file of the passphrase, credential or PIN)")
	flags.StringVar(&to.Module, "module", "", "PKCS#11 のライブラリー (library of the token)")
	flags.StringVar(&to.Token, "token", "shomei", "トークンの名前 (label of the token)")
	flags.StringVar(&to.Key, "key", "shomei", "トークンの中の鍵の名前 (label of the key inside the token)")
	_ = cmd.MarkFlagRequired("unlock") // defined above
	return cmd
}

func unlockFlag(flags *pflag.FlagSet, kind *secret.Kind) {
	flags.StringVar((*string)(kind), "unlock", "", "passphrase, credential, pkcs11")
}

func (a *app) unsealCommand() *cobra.Command {
	return &cobra.Command{
		Use: "unseal", Short: "鍵の暗号化をやめる (put the keys in the clear)", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.looking()
			if err != nil {
				return err
			}
			count, err := hub.Unseal(cmd.Context(), c)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), a.Say("%d個の鍵を平文に戻しました。設定の [keys] の unlock を消してください。\n",
				"%d keys are in the clear. Remove unlock below [keys] of the configuration.\n"), count)
			return err
		},
	}
}

func (a *app) listKeysCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "鍵の一覧。秘密は示さない (the keys: what for, sealed or clear, since when; no secrets)", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.looking()
			if err != nil {
				return err
			}
			list, err := hub.Secrets(c)
			if err != nil {
				return err
			}
			if asJSON {
				return printLines(cmd.OutOrStdout(), list)
			}
			t := table.NewWriter()
			t.SetOutputMirror(cmd.OutOrStdout())
			t.AppendHeader(table.Row{"file", "sealed", "since", "use", "public half"})
			for _, s := range list {
				t.AppendRow(table.Row{s.File, s.Sealed, tokyo(s.Since), s.Use, s.Public})
			}
			t.Render()
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a key")
	return cmd
}

func (a *app) rootCommand() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use: "root --out FILE", Short: "根の鍵を別の場所へ移す (move the root's key to another place, in the clear)", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.looking()
			if err != nil {
				return err
			}
			if err := hub.TakeRoot(c, out); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), a.Say("根の鍵を %s へ移しました。平文です。金庫などに保管してください。\n",
				"The root's key is in %s now, in the clear: lock it away.\n"), out)
			return err
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "新しい場所 (the new place)")
	_ = cmd.MarkFlagRequired("out") // defined above
	return cmd
}

const changeKeyHelp = `鍵を替えます。センターを止めて行い、そのあとまた始めます。誰が替えたかは記録に残ります。途中で止まっても失われず、同じ命令で続けます。
サービスを分けたときは、設定を --config で示し、そのプログラムを止めて行います。master は vault の、authority は issuer の、writer と nats は
operator の設定です(writer は、その役割をもつプログラムも止めます)。
Change a key of a centre that is stopped, and start it again. The log says who did. Nothing is lost if it is interrupted: the same
command goes on. Where services are programs of their own, name a configuration with --config and stop its program: the vault's
for master, the issuer's for authority, the operator's for writer and nats (for writer, stop the role's program as well).

  shomei keys change master
  shomei keys change authority sign
  shomei keys change writer notifier --root /media/safe/root.nk
  shomei keys change nats ra --config DIR/operator/shomei.toml`

// change is what the commands that change a key share.
type change struct {
	*app
	config, officer string
}

func (a *app) changeCommand() *cobra.Command {
	with := &change{app: a}
	cmd := &cobra.Command{
		Use: "change master|authority|writer|nats", Short: "鍵を替える (change a key)", Long: changeKeyHelp,
		Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.PersistentFlags().StringVarP(&with.config, "config", "c", "", "設定ファイル (configuration of the centre or program)")
	cmd.PersistentFlags().StringVar(&with.officer, "officer", hub.Itself, "職員番号 (number of the officer who orders it)")
	cmd.AddCommand(with.master(), with.authority(), with.writer(), with.nats())
	return cmd
}

// do opens what a change needs and calls f.
func (c *change) do(cmd *cobra.Command, program string, f func(*hub.Change) error, parts ...string) (err error) {
	found, err := c.looking()
	if err == nil && c.config != "" {
		named := defaults()
		err = named.load(c.config)
		named.Hub.Unlocking, named.Hub.Logger = c.unlocking(named.Keys), found.Logger
		found = named.Hub
	}
	if err != nil {
		return err
	}
	h, err := hub.OpenChange(cmd.Context(), found, c.officer, program, parts...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	return f(h)
}

func (c *change) master() *cobra.Command {
	return &cobra.Command{
		Use: "master", Short: "個人の鍵を包むマスター鍵 (the master key, which wraps every person's keys)", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.do(cmd, "vault", func(h *hub.Change) error {
				version, err := h.Master(cmd.Context())
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), c.Say("マスター鍵は第%d版になりました。keys/master.key の控えを取り直してください。\n",
					"The master key is of version %d now. Back keys/master.key up again.\n"), version)
				return err
			}, "vault")
		},
	}
}

func (c *change) authority() *cobra.Command {
	return &cobra.Command{
		Use: "authority ID", Short: "認証局の鍵。次の世代を今日から使う (an authority's key: its next generation, from now on)", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.do(cmd, "issuer", func(h *hub.Change) error {
				number, err := h.Authority(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), c.Say("認証局 %s は第%d世代の鍵で発行します。前の鍵は失効リストに署名し続けます。\n",
					"Authority %s issues by the key of generation %d. The former goes on signing its revocation lists.\n"), args[0], number)
				return err
			}, "issuer")
		},
	}
}

func (c *change) writer() *cobra.Command {
	var root string
	cmd := &cobra.Command{
		Use: "writer ROLE --root FILE", Short: "記録に署名する鍵 (the key with which a role signs commits)", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.do(cmd, "operator", func(h *hub.Change) error {
				public, err := h.Writer(cmd.Context(), eventlog.Role(args[0]), root)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), c.Say("%s の鍵は %s になりました。前の鍵は退役しました。\n",
					"The key of %s is %s now. The former is retired.\n"), args[0], public)
				return err
			})
		},
	}
	cmd.Flags().StringVar(&root, "root", "", "根の鍵のファイル (file of the root's key, wherever it is kept)")
	_ = cmd.MarkFlagRequired("root") // defined above
	return cmd
}

func (c *change) nats() *cobra.Command {
	return &cobra.Command{
		Use: "nats PROGRAM", Short: "プログラムの NATS の資格 (a program's credentials for NATS)", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.do(cmd, "operator", func(h *hub.Change) error {
				if err := h.NATS(cmd.Context(), args[0]); err != nil {
					return err
				}
				_, err := fmt.Fprintf(cmd.OutOrStdout(), c.Say("%s に新しい資格を渡しました。前の資格では、もうつながりません。\n",
					"%s has new credentials. The former connect no more.\n"), args[0])
				return err
			}, "directory")
		},
	}
}
