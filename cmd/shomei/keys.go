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
		Use: "keys seal|unseal|list|change", Short: "鍵を暗号化する、調べる、替える (encrypt, list and change the centre's keys)", Long: keysHelp,
		Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.sealCommand(), a.unsealCommand(), a.listKeysCommand())
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
  shomei keys seal --unlock credential --file /root/shomei.unlock
  shomei keys seal --unlock pkcs11 --module /usr/lib/softhsm/libsofthsm2.so --token shomei --key shomei --file /root/pin`

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
			list, err := hub.Secrets(cmd.Context(), c)
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
