package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"shomei/pkg/ca"
	"shomei/pkg/card"
	"shomei/pkg/card/pcsc"
	"shomei/pkg/civil"
)

type showFlags struct {
	reader, pinFile string
	sign, lastTry   bool
	wait            time.Duration
}

func showCommand(lang *language) *cobra.Command {
	var f showFlags
	cmd := &cobra.Command{
		Use:   "show [--sign [--pin-file FILE]]",
		Short: "カードの電子証明書を表示する (show the certificates on a card)",
		Long: `Shows the certificates on the card in the reader. The certificate for user authentication is free to
read. The one for digital signatures holds name, birth date, sex and address: --sign asks for its PIN,
without echo, or takes it from the first line of --pin-file ("-": standard input). The tries left are
shown before one is spent; the last one is spent only with --last-try.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return show(cmd, lang, f) },
	}
	cmd.Flags().StringVar(&f.reader, "reader", "", "リーダーの名前 (name of the reader; empty: any with a card)")
	cmd.Flags().BoolVar(&f.sign, "sign", false, "署名用電子証明書も表示する (also the certificate for signatures)")
	cmd.Flags().StringVar(&f.pinFile, "pin-file", "", "暗証番号のファイル (file with the PIN)")
	cmd.Flags().BoolVar(&f.lastTry, "last-try", false, "残り1回でも照合する (spend even the last try)")
	cmd.Flags().DurationVar(&f.wait, "wait", 10*time.Second, "カードを待つ時間 (how long to wait for a card)")
	return cmd
}

func show(cmd *cobra.Command, lang *language, f showFlags) error {
	conn, err := waitAndConnect(cmd.Context(), f)
	if err != nil {
		return err
	}
	defer conn.Close()
	s := card.NewSession(conn)
	id, err := s.Identify()
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	fmt.Fprintln(out, cardLine(lang, id))
	for _, slot := range id.Kind.Slots() {
		if _, told := id.Tries[slot]; !told || slot == card.Sign && !f.sign {
			continue
		}
		if slot == card.Sign {
			if err := presentPIN(cmd, lang, s, id.Tries[slot], f); err != nil {
				return err
			}
		}
		if err := showSlot(out, lang, s, slot); err != nil {
			return err
		}
	}
	return nil
}

func waitAndConnect(ctx context.Context, f showFlags) (*pcsc.Conn, error) {
	if _, err := pcsc.Readers(); err != nil {
		return nil, err
	}
	waiting, cancel := context.WithTimeout(ctx, f.wait)
	defer cancel()
	reader, err := pcsc.WaitCard(waiting, f.reader)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("no card after %v: %w", f.wait, err)
	}
	return pcsc.Connect(reader)
}

// errLastTry keeps the last try from being spent unasked.
var errLastTry = errors.New("only one try is left: a wrong PIN would block the card; confirm with --last-try")

func presentPIN(cmd *cobra.Command, lang *language, s *card.Session, left int, f showFlags) error {
	fmt.Fprintf(cmd.ErrOrStderr(), lang.say("署名用の暗証番号: 残り%d回\n", "PIN for digital signature: %d tries left\n"), left)
	switch {
	case left == 0:
		return fmt.Errorf("the certificate for signatures: %w", card.ErrBlocked)
	case left == 1 && !f.lastTry:
		return errLastTry
	}
	pin, err := readPIN(cmd, lang, f.pinFile)
	if err != nil {
		return err
	}
	defer clear(pin)
	return s.Verify(card.Sign, pin)
}

// readPIN reads a PIN from a file, or from the terminal without echo.
func readPIN(cmd *cobra.Command, lang *language, file string) ([]byte, error) {
	switch file {
	case "":
		fd := int(os.Stdin.Fd())
		if !term.IsTerminal(fd) {
			return nil, fmt.Errorf("%w: standard input is not a terminal; give the PIN with --pin-file", errUsage)
		}
		fmt.Fprint(cmd.ErrOrStderr(), lang.say("暗証番号: ", "PIN: "))
		pin, err := term.ReadPassword(fd)
		fmt.Fprintln(cmd.ErrOrStderr())
		return pin, err
	case "-":
		return firstLine(cmd.InOrStdin())
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("file with the PIN: %w", err)
	}
	defer f.Close()
	return firstLine(f)
}

func firstLine(r io.Reader) ([]byte, error) {
	line, err := bufio.NewReaderSize(r, 64).ReadSlice('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading the PIN: %w", err)
	}
	return bytes.TrimRight(line, "\r\n"), nil
}

func showSlot(out io.Writer, lang *language, s *card.Session, slot card.Slot) error {
	title := fmt.Sprintf(lang.say("%s電子証明書", "Certificate for %s"), slotName(lang, slot))
	der, err := s.Certificate(slot)
	if errors.Is(err, card.ErrNotFound) {
		fmt.Fprintf(out, lang.say("\n%s: なし\n", "\n%s: none\n"), title)
		return nil
	}
	if err != nil {
		return err
	}
	d, err := ca.Describe(der)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\n%s\n", title)
	for _, row := range append(rows(lang, d), holderRows(lang, d.Holder)...) {
		fmt.Fprintf(out, "  %s: %s\n", row[0], row[1])
	}
	return nil
}

func rows(lang *language, d *ca.Description) [][2]string {
	from := civil.Of(d.NotBefore)
	return [][2]string{
		{lang.say("発行元の体系", "Issued under"), originName(lang, d.Origin)},
		{lang.say("シリアル番号", "Serial number"), fmt.Sprintf("%v (%X)", d.Serial, d.Serial)},
		{lang.say("主体者", "Subject"), d.Subject},
		{lang.say("発行者", "Issuer"), d.Issuer},
		{lang.say("有効期間の開始", "Valid from"), day(lang, from)},
		{lang.say("有効期間の満了日", "Last day"), day(lang, d.LastDay)},
	}
}

func originName(lang *language, origin ca.Origin) string {
	switch origin {
	case ca.Shomei, ca.ShomeiSmartphone:
		return lang.say("証明（Shomei、実在の公的個人認証サービスではありません）", "Shomei (not the real JPKI)")
	case ca.JPKI, ca.JPKISmartphone, ca.JPKITest:
		return lang.say("公的個人認証サービス ", "the real JPKI: ") + string(origin)
	}
	return lang.say("不明", "unknown")
}

// day formats a civil date as ISO, in Japanese with the era too.
func day(lang *language, d civil.Date) string {
	if lang.english {
		return d.String()
	}
	return fmt.Sprintf("%s (%s)", d, d.Wareki())
}

func holderRows(lang *language, h *ca.Described) [][2]string {
	if h == nil {
		return nil
	}
	sexes := map[ca.Sex]string{ca.Male: lang.say("男", "male"), ca.Female: lang.say("女", "female"), ca.SexUnknown: lang.say("不明", "unknown")}
	return [][2]string{
		{lang.say("氏名", "Name"), h.Name + substituted(lang, h.NameFlags)},
		{lang.say("生年月日", "Date of birth"), h.BirthDate.String()},
		{lang.say("性別", "Sex"), sexes[h.Sex]},
		{lang.say("住所", "Address"), h.Address + substituted(lang, h.AddressFlags)},
	}
}

// substituted says that a certificate could not hold every character (profile.md 3).
func substituted(lang *language, flags string) string {
	if !bytes.ContainsRune([]byte(flags), '1') {
		return ""
	}
	return lang.say("（代替文字を含む）", " (with substitute characters)")
}
