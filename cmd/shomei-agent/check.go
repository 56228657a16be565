package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"shomei/pkg/card"
	"shomei/pkg/card/pcsc"
)

func checkCommand(lang *language) *cobra.Command {
	var reader string
	cmd := &cobra.Command{
		Use:   "check [--reader NAME]",
		Short: "リーダーとカードを点検する (check the service, the reader and the card)",
		Long:  "Checks the PC/SC service, the readers and the card, spending no PIN try.\nExit codes: 0 all well, 3 something was found, 69 the PC/SC service does not answer.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return check(cmd, lang, reader)
		},
	}
	cmd.Flags().StringVar(&reader, "reader", "", "リーダーの名前 (name of the reader; empty: the first)")
	return cmd
}

func check(cmd *cobra.Command, lang *language, reader string) error {
	line := func(well bool, ja, en string) {
		mark := "OK"
		if !well {
			mark = "NG"
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s  %s\n", mark, lang.say(ja, en))
	}
	names, err := pcsc.Readers()
	if err != nil {
		line(false, "PC/SC サービスが応答しません。pcscd を起動してください。", "The PC/SC service does not answer. Start pcscd.")
		return err
	}
	line(true, "PC/SC サービス", "PC/SC service")
	reader, ok := choose(names, reader)
	if !ok {
		line(false, "リーダーがありません。接続と名前を確かめてください。", "No such reader. Check its cable and its name.")
		return errFound
	}
	line(true, "リーダー "+reader, "Reader "+reader)
	id, err := identify(reader)
	switch {
	case errors.Is(err, card.ErrForeignCard):
		line(false, "対象外のカードです。個人番号カードか住民基本台帳カードを入れてください。", "Not a card for certificates. Insert a My Number or juki card.")
		return errFound
	case errors.Is(err, pcsc.ErrInUse):
		line(false, "ほかのプログラムがカードを使っています。終わらせてからやり直してください。", "Another program is using the card. End it and try again.")
		return errFound
	case errors.Is(err, card.ErrRemoved):
		line(false, "カードが入っていません。", "No card in the reader.")
		return errFound
	case err != nil:
		line(false, "カードが正しく応答しません: "+err.Error(), "The card does not answer properly: "+err.Error())
		return errFound
	}
	line(true, cardLine(lang, id), cardLine(lang, id))
	return checkState(line, lang, id)
}

// checkState judges what the card says about itself.
func checkState(line func(bool, string, string), lang *language, id card.Identity) error {
	well := true
	if id.LifeCycle == card.Terminated {
		line(false, "廃止されたカードです。", "The card has been retired.")
		well = false
	}
	if id.LifeCycle == card.Initialised {
		line(true, "交付前のカードです（暗証番号は未設定）。", "The card has not been handed over yet (no PINs are set).")
		return nil
	}
	for _, slot := range id.Kind.Slots() {
		left, told := id.Tries[slot]
		if told && left == 0 {
			line(false, slotName(lang, slot)+"の暗証番号がロックされています。住所地の窓口で再設定してください。",
				"The PIN for "+slotName(lang, slot)+" is blocked. It is set anew at the counter of residence.")
			well = false
		}
	}
	if !well {
		return errFound
	}
	return nil
}

func choose(names []string, wanted string) (string, bool) {
	for _, name := range names {
		if wanted == "" || name == wanted {
			return name, true
		}
	}
	return "", false
}

func identify(reader string) (card.Identity, error) {
	conn, err := pcsc.Connect(reader)
	if err != nil {
		return card.Identity{}, err
	}
	defer conn.Close()
	return card.NewSession(conn).Identify()
}

// cardLine describes a card in one line: kind, number, last day, tries left.
func cardLine(lang *language, id card.Identity) string {
	kinds := map[card.Kind]string{
		card.MyNumber: lang.say("個人番号カード", "My Number card"),
		card.Juki:     lang.say("住民基本台帳カード", "Juki card"),
	}
	parts := []string{kinds[id.Kind]}
	if id.CardID != "" {
		parts = append(parts, lang.say("番号 ", "number ")+id.CardID)
	}
	if id.LastDay != "" {
		parts = append(parts, lang.say("有効期限 ", "last day ")+id.LastDay)
	}
	for _, slot := range id.Kind.Slots() {
		if left, told := id.Tries[slot]; told && id.LifeCycle != card.Initialised {
			parts = append(parts, fmt.Sprintf(lang.say("%sの暗証番号 残り%d回", "%s PIN: %d tries left"), slotName(lang, slot), left))
		}
	}
	return strings.Join(parts, lang.say("、", ", "))
}

func slotName(lang *language, slot card.Slot) string {
	if slot == card.Auth {
		return lang.say("利用者証明用", "user authentication")
	}
	return lang.say("署名用", "digital signature")
}
