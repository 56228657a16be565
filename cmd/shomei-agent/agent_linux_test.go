package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"shomei/pkg/card"
	"shomei/pkg/card/cardtest"
	"shomei/pkg/card/pcsc"
	"shomei/pkg/card/softcard"
	"shomei/pkg/card/vreader"
	"shomei/pkg/counterlink"
)

// service is one pcscd for all tests here: a process can talk to one only.
var service *vreader.Service

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "engine" {
		os.Exit(serveEngine(os.Args[2:]))
	}
	if os.Getenv("SHOMEI_AGENT_MAIN") != "" {
		main() // the test binary plays the program
	}
	os.Exit(withService(m))
}

func withService(m *testing.M) int {
	dir, err := os.MkdirTemp("", "agent")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	service, err = vreader.Start(context.Background(), vreader.Config{Dir: dir})
	if err == nil {
		err = service.Use()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer service.Close()
	return m.Run()
}

// insert puts a card in and waits until PC/SC sees it.
func insert(t *testing.T, c *softcard.Card) {
	t.Helper()
	service.Readers[0].Insert(c)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if _, err := pcsc.WaitCard(ctx, vreader.Names[0]); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { eject(t) })
}

func eject(t *testing.T) {
	t.Helper()
	service.Readers[0].Eject()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := pcsc.WaitRemoved(ctx, vreader.Names[0]); err != nil {
		t.Fatal(err)
	}
}

func invoke(t *testing.T, in io.Reader, args ...string) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), args, in, &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

func contains(t *testing.T, text string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in:\n%s", want, text)
		}
	}
}

func TestShow(t *testing.T) {
	c := cardtest.Ready(t, card.MyNumber, "C1")
	insert(t, c)
	code, out, errs := invoke(t, nil, "show")
	if code != exitDone {
		t.Fatalf("exit %d: %s", code, errs)
	}
	contains(t, out, "個人番号カード、番号 C1、有効期限 2030-06-18", "利用者証明用の暗証番号 残り3回", "利用者証明用電子証明書", "有効期間の満了日: 2030-06-18 (令和12年6月18日)", "シリアル番号")
	if strings.Contains(out, cardtest.Holder.Name) || strings.Contains(out, "署名用電子証明書") {
		t.Errorf("the signature certificate without being asked for:\n%s", out)
	}
	code, out, errs = invoke(t, strings.NewReader("ABC123\n"), "show", "--sign", "--pin-file", "-")
	if code != exitDone {
		t.Fatalf("exit %d: %s", code, errs)
	}
	contains(t, errs, "署名用の暗証番号: 残り5回")
	contains(t, out, "署名用電子証明書", "氏名: "+cardtest.Holder.Name, "生年月日: 1980-06-18", "性別: 女", "住所: "+cardtest.Holder.Address)
	_, out, _ = invoke(t, nil, "show", "--lang", "en")
	contains(t, out, "My Number card, number C1", "Certificate for user authentication", "Last day: 2030-06-18\n")
}

func TestShowGuardsTries(t *testing.T) {
	c := cardtest.Ready(t, card.MyNumber, "C1")
	insert(t, c)
	wrong := filepath.Join(t.TempDir(), "pin")
	if err := os.WriteFile(wrong, []byte("WRONG1\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for left := 4; left >= 1; left-- {
		code, _, errs := invoke(t, nil, "show", "--sign", "--pin-file", wrong)
		if code != exitFailed {
			t.Errorf("wrong PIN: exit %d", code)
		}
		contains(t, errs, fmt.Sprintf("tries left: %d", left))
	}
	code, _, errs := invoke(t, nil, "show", "--sign", "--pin-file", wrong)
	if code != exitFailed {
		t.Errorf("last try without confirmation: exit %d", code)
	}
	contains(t, errs, "残り1回", "--last-try")
	code, _, errs = invoke(t, nil, "show", "--sign", "--pin-file", wrong, "--last-try")
	if code != exitFailed {
		t.Errorf("last try: exit %d", code)
	}
	contains(t, errs, "ロックされています", "blocked")
	code, out, _ := invoke(t, nil, "check")
	if code != exitFound {
		t.Errorf("check of a blocked card: exit %d", code)
	}
	contains(t, out, "NG  署名用の暗証番号がロックされています")
}

func TestCheck(t *testing.T) {
	code, out, _ := invoke(t, nil, "check")
	if code != exitFound {
		t.Errorf("empty reader: exit %d", code)
	}
	contains(t, out, "OK  PC/SC", "NG  カードが入っていません")
	code, out, _ = invoke(t, nil, "check", "--reader", "none", "--lang", "en")
	if code != exitFound {
		t.Errorf("no such reader: exit %d", code)
	}
	contains(t, out, "NG  No such reader")
	insert(t, cardtest.Ready(t, card.Juki, "J1"))
	code, out, errs := invoke(t, nil, "check")
	if code != exitDone {
		t.Errorf("good card: exit %d, %s", code, errs)
	}
	contains(t, out, "OK  住民基本台帳カード、番号 J1")
	eject(t)
	insert(t, cardtest.New(t, card.MyNumber, "C1"))
	_, out, _ = invoke(t, nil, "check")
	contains(t, out, "OK  交付前のカードです")
	eject(t)
	retired := cardtest.Ready(t, card.MyNumber, "C2")
	if err := cardtest.Session(t, retired, "C2").Retire(); err != nil {
		t.Fatal(err)
	}
	insert(t, retired)
	code, out, _ = invoke(t, nil, "check")
	if code != exitFound {
		t.Errorf("retired card: exit %d", code)
	}
	contains(t, out, "NG  廃止されたカードです")
}

func TestExitCodes(t *testing.T) {
	for _, test := range []struct {
		args []string
		code int
	}{
		{[]string{"--help"}, exitDone},
		{[]string{"fly"}, exitUsage},
		{[]string{"show", "--fly"}, exitUsage},
		{[]string{"show", "--lang", "fr"}, exitUsage},
		{[]string{"softcard"}, exitUsage},
		{[]string{"softcard", "--store", "x"}, exitUsage},
		{[]string{"softcard", "--store", "/nonexistent/card.json", "--vpcd", "127.0.0.1:1"}, exitFailed},
		{[]string{"softcard", "--store", cardtest.New(t, card.Juki, "J1").Path(), "--vpcd", "127.0.0.1:1"}, exitUnreachable},
		{[]string{"show", "--wait", "300ms"}, exitFailed},
	} {
		if code, _, errs := invoke(t, nil, test.args...); code != test.code {
			t.Errorf("%v: exit %d, expected %d: %s", test.args, code, test.code, errs)
		}
	}
}

func TestNewCard(t *testing.T) {
	dir := t.TempDir()
	store := filepath.Join(dir, "card.json")
	centre, err := card.NewFactoryCentre()
	if err != nil {
		t.Fatal(err)
	}
	bundle := counterlink.Bundle{
		Counter: "a", Office: "b", Hub: "tls://127.0.0.1:1", Key: "k", SealKey: "s",
		FactoryKey: hex.EncodeToString(centre.PublicKey().Bytes()),
	}
	if err := bundle.Write(dir); err != nil {
		t.Fatal(err)
	}
	args := []string{"softcard", "new", "--store", store, "--card-id", "C9", "--bundle", dir}
	if code, _, errs := invoke(t, nil, args...); code != exitDone {
		t.Fatalf("exit %d: %s", code, errs)
	}
	s := card.NewSession(cardtest.Open(t, store))
	err = s.Open("C9", func(q card.Challenge) (card.Answer, error) {
		key, err := card.OpenFactoryKey(centre, q.Key, "C9")
		if err != nil {
			return card.Answer{}, err
		}
		return key.Answer(q, card.AllRights, nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Inventory(); err != nil {
		t.Error(err)
	}
	if code, _, _ := invoke(t, nil, args...); code != exitFailed {
		t.Errorf("the same file twice: exit %d", code)
	}
	bundle.FactoryKey = ""
	if err := bundle.Write(dir); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := invoke(t, nil, args...); code != exitFailed && code != exitConfig || !strings.Contains(errs, "enrol") {
		t.Errorf("an old bundle: exit %d: %s", code, errs)
	}
}

// machine starts pcscd with vpcd as Debian configures it, in namespaces of its
// own, puts the card in with "softcard --vpcd" and lets OpenSC read it.
const machine = `set -e
ip link set lo up 2>/dev/null || python3 -c 'import fcntl,socket,struct; fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sh14x", b"lo", 0x41))'
mount --bind "$1" /run/pcscd
pcscd --foreground >"$1/log" 2>&1 &
while [ ! -S "$1/pcscd.comm" ]; do kill -0 $!; sleep 0.02; done
"$2" softcard --store "$3" --vpcd 127.0.0.1:35963 &
timeout 20 opensc-tool --wait --name
pkcs15-tool --read-certificate 1`

func TestSoftcardOnPlainVPCD(t *testing.T) {
	c := cardtest.Ready(t, card.MyNumber, "C1")
	dir, err := os.MkdirTemp("", "plain")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	cmd := exec.CommandContext(t.Context(), "unshare", "--mount", "--propagation", "private", "--net", "--pid", "--fork", "--kill-child",
		"sh", "-c", machine, "sh", dir, os.Args[0], c.Path())
	cmd.Env = append(os.Environ(), "SHOMEI_AGENT_MAIN=1", vreader.SocketEnv+"="+filepath.Join(dir, "pcscd.comm"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	contains(t, string(out), "カード C1 を挿入しました", "BEGIN CERTIFICATE")
}

// TestSoftcardReloads changes the card's file behind the program's back and
// tells it by SIGHUP; OpenSC sees the change.
func TestSoftcardReloads(t *testing.T) {
	c := cardtest.Ready(t, card.MyNumber, "C1")
	dir, err := os.MkdirTemp("", "own")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx, stop := context.WithCancel(t.Context())
	out, in := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"softcard", "--store", c.Path(), "--virtual-reader", dir}, nil, in, io.Discard)
	}()
	lines := bufio.NewScanner(out)
	lines.Scan()
	env := lines.Text()
	lines.Scan()
	contains(t, lines.Text(), "カード C1")
	// A command that finds the reader empty fails, which does no harm.
	dump := func() string {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", "timeout 20 opensc-tool --wait --name; pkcs15-tool --dump")
		cmd.Env = append(os.Environ(), env)
		text, _ := cmd.CombinedOutput()
		return string(text)
	}
	contains(t, dump(), "Tries left     : 3")
	if err := card.NewSession(cardtest.Open(t, c.Path())).Verify(card.Auth, []byte("0000")); err == nil {
		t.Fatal("a wrong PIN was taken")
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	changed := false
	for range 20 { // the reader is empty for up to a second
		if changed = strings.Contains(dump(), "Tries left     : 2"); changed {
			break
		}
	}
	if !changed {
		t.Error("the card in the reader does not know of the try spent in its file")
	}
	stop()
	if code := <-ended; code != exitDone {
		t.Errorf("stopped: exit %d", code)
	}
}
