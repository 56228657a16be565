package notice

import (
	"fmt"
	netmail "net/mail"
	"strings"
	"time"

	"shomei/pkg/civil"
)

// Inquiry is a letter of inquiry with its answer form (照会書兼回答書), posted to the registered address because identity
// or will could not be shown at the desk (law.md 5.3).
type Inquiry struct {
	// ID identifies the mail to the print desk; a repetition has the same.
	ID string
	// Letter is the number printed on the answer form; the answer is accepted only with this number, which appears
	// nowhere else. Case is the number by which the office finds the application (受付番号).
	Letter, Case string
	// Name and Address are those of the resident record: the letter goes there and nowhere else.
	Name, Address string
	// Until is the last day on which the answer is accepted, if the office has one (law.md 5.3); zero: none is printed.
	Until civil.Date
	// Proxy: somebody applied for the person, so the answer form includes the mandate (law.md 5.2).
	Proxy  bool
	Office Office
	Date   time.Time
}

const inquiryBody = `%s
%s 様

電子証明書新規発行/更新照会書

                                        %s
                                        %s

あなた様の電子証明書について、当市区町村の窓口に申請がありました。
申請がご本人の意思によるものであるときは、下の回答書に記入し、窓口にお持ちください。
心当たりがないときは、この受付番号を添えて窓口にお知らせください。

受付番号    %s
%s
--------------------------------- 切り取り線 ---------------------------------

電子証明書新規発行/更新回答書

受付番号    %s
照会書番号  %s

申請は私の意思によるものに相違ありません。

回答年月日        年    月    日

氏名(自署)

%s`

// mandate is the part of the answer form that makes whoever brings it the person's proxy.
const mandate = `委任(代理人が持参するとき)

次の者に、この申請に関する手続を委任します。

代理人の氏名

代理人の住所

委任する方の氏名(自署)

`

// ComposeInquiry composes the letter as a mail to the print desk, which puts it into an envelope for the registered
// address. The case number is in the subject; the letter's number, name and address are only in the body.
func ComposeInquiry(i Inquiry, from, printDesk string) (Message, error) {
	sender, err := netmail.ParseAddress(from)
	if err != nil {
		return Message{}, fmt.Errorf("composing the letter of case %s: sender: %w", i.Case, ErrAddress)
	}
	day, until, proxy := civil.Of(i.Date), "", ""
	if !i.Until.IsZero() {
		until = fmt.Sprintf("回答期限    %s（この日を過ぎた回答、住所が変わった後の回答は使えません）\n", i.Until.Wareki())
	}
	if i.Proxy {
		proxy = mandate
	}
	text := Text{
		Subject: fmt.Sprintf("〔%s〕照会書兼回答書 %s", i.Office.Municipality, i.Case),
		Body:    fmt.Sprintf(inquiryBody, i.Address, i.Name, day, i.Office.Municipality, i.Case, until, i.Case, i.Letter, proxy),
	}
	id := "inquiry-" + i.ID + sender.Address[strings.LastIndex(sender.Address, "@"):]
	return assemble(envelope{"the letter of case " + i.Case, id, from, printDesk, Japanese, i.Date}, text)
}
