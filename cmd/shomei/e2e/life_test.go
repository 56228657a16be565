package e2e

import (
	"bytes"
	"net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"shomei/pkg/card/vreader"
	"shomei/pkg/civil"
)

var opening = time.Date(2024, 6, 3, 1, 0, 0, 0, time.UTC) // Monday 10:00 in Japan

var (
	hanako = person{"00000000123", "証明　花子", "1990-06-18", "千葉県山武市殿台二百九十六番地", "hanako.shomei@mail.example"}
	taro   = person{"00000000456", "試験　太郎", "1985-03-02", "千葉県山武市成東一番地", "taro.shiken@mail.example"}
	jiro   = person{"00000000789", "確認　次郎", "1979-11-30", "千葉県山武市松尾町二番地", "jiro.kakunin@mail.example"}
)

// world starts a centre and a counter and waits until they are linked.
func world(t *testing.T) (*centre, *counter) {
	t.Helper()
	c := newCentre(t, opening)
	c.start()
	k := newCounter(t, c, "/counter")
	k.start()
	return c, k
}

// TestAWholeLife goes from application to expiry, revocation and suspension, and ends with fsck.
func TestAWholeLife(t *testing.T) {
	t.Parallel()
	c, k := world(t)
	for _, p := range []struct {
		person
		card string
	}{{hanako, "CARD-H"}, {taro, "CARD-T"}, {jiro, "CARD-J"}} {
		k.make(p.card)
		k.apply(p.person, "new-"+p.card, "issue", nil)
		k.drive("new-"+p.card, "done")
		expect(t, c, p.person, "auth valid", "sign valid")
	}
	k.readByOpenSC(c)
	c.whole()

	first := c.certificates(c.subscriber(hanako.code))
	opens := first[0].WindowOpens
	c.advance(opens.At(civil.Clock(10, 0)))
	if n := c.mails(t, hanako.mail); n != 1 {
		t.Errorf("%d mails on the day the window opened", n)
	}
	k.insert("CARD-H")
	k.apply(hanako, "renew-CARD-H", "renew", nil)
	k.drive("renew-CARD-H", "done")
	expect(t, c, hanako, "auth revoked superseded", "auth valid", "sign revoked superseded", "sign valid")
	k.readByOpenSC(c)

	c.order("POST", "/loss?subscriber="+c.subscriber(taro.code), nil)
	poll(t, "the suspension", func() bool { return statuses(c, taro)[0] == "auth suspended" }, func() string { return strings.Join(statuses(c, taro), ", ") })
	expect(t, c, taro, "auth suspended", "sign suspended")
	k.card = ""
	k.apply(hanako, "revoke-CARD-H", "revoke", nil)
	k.drive("revoke-CARD-H", "done", "ready", "accepted")
	expect(t, c, hanako, "auth revoked cessation-of-operation", "auth revoked superseded", "sign revoked cessation-of-operation", "sign revoked superseded")

	last := c.certificates(c.subscriber(jiro.code))[0].LastDay
	c.advance(last.AddDays(1).At(civil.Clock(10, 0)))
	expect(t, c, jiro, "auth expired", "sign expired")
	if n := c.mails(t, jiro.mail); n < 1 {
		t.Errorf("%d mails about an expiry", n)
	}
	c.whole()
	k.card = "CARD-H"
	c.leaks(t, []*counter{k}, hanako, taro, jiro)
}

func statuses(c *centre, p person) []string {
	c.t.Helper()
	var list []string
	for _, held := range c.certificates(c.subscriber(p.code)) {
		list = append(list, strings.TrimSpace(held.Kind+" "+held.Status+" "+held.Reason))
	}
	return sorted(list)
}

// expect waits until a person's certificates stand as wanted: the tables follow the counter's answer.
func expect(t *testing.T, c *centre, p person, want ...string) {
	t.Helper()
	var got []string
	poll(t, "certificates to be "+strings.Join(want, ", "), func() bool {
		got = statuses(c, p)
		return strings.Join(got, ", ") == strings.Join(sorted(want), ", ")
	}, func() string { return strings.Join(got, ", ") })
}

// mails counts what the sink has for an address.
func (c *centre) mails(t *testing.T, address string) int {
	t.Helper()
	return countMails(t, filepath.Join(c.data, "mail"), address)
}

func countMails(t *testing.T, folder, address string) (n int) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.eml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(text, []byte("To: <"+address+">")) {
			n++
		}
	}
	return n
}

// letters counts the different mails that the sink has for an address: those with a Message-ID of their own.
func (c *centre) letters(t *testing.T, address string) int {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(c.data, "mail", "*.eml"))
	if err != nil {
		t.Fatal(err)
	}
	different := make(map[string]bool)
	for _, file := range files {
		text, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		message, err := mail.ReadMessage(text)
		text.Close()
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if message.Header.Get("To") == "<"+address+">" {
			different[message.Header.Get("Message-ID")] = true
		}
	}
	return len(different)
}

// readByOpenSC lets OpenSC read the card on the reader: both certificates are there, and the one that may be read
// freely is the one that openssl can show.
func (k *counter) readByOpenSC(c *centre) {
	k.t.Helper()
	run := func(input []byte, name string, args ...string) string {
		command := exec.CommandContext(k.t.Context(), name, args...)
		command.Env = append(os.Environ(), vreader.SocketEnv+"="+filepath.Join(k.cards, "pcscd.comm"), "LC_ALL=C")
		command.Stdin = bytes.NewReader(input)
		out, err := command.CombinedOutput()
		if err != nil {
			k.t.Fatalf("%s %v: %v\n%s", name, args, err, out)
		}
		return string(out)
	}
	for slot, pin := range map[string][]string{"1": nil, "2": {"--verify-pin", "--auth-id", "2", "--pin", signPIN}} {
		text := run(nil, "pkcs15-tool", append([]string{"--read-certificate", slot}, pin...)...)
		at := strings.Index(text, "-----BEGIN")
		if at < 0 {
			k.t.Fatalf("pkcs15-tool read no certificate: %s", text)
		}
		shown := run([]byte(text[at:]), "openssl", "x509", "-noout", "-serial", "-issuer")
		if !strings.Contains(shown, "serial=") || strings.Contains(shown, "JPKI") {
			k.t.Errorf("slot %s: %s", slot, shown)
		}
	}
}
