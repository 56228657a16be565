package main

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"shomei/cmd/shomei/hub"
	"shomei/pkg/ops"
)

const example = "../../deploy/shomei.toml"

func TestTheExampleConfigurationLoads(t *testing.T) {
	c := defaults()
	if err := c.load(example); err != nil {
		t.Fatal(err)
	}
	if c.Hub.Data != "/var/lib/shomei" || c.Hub.Port != 4222 || c.Hub.Mail.Host != "mail.shomei.example" || c.Log.Level != "info" {
		t.Errorf("loaded: data %q, port %d, mail host %q, log level %q", c.Hub.Data, c.Hub.Port, c.Hub.Mail.Host, c.Log.Level)
	}
}

// The readings of the law come from [law], and one that makes no sense is named.
func TestLawInTheConfiguration(t *testing.T) {
	load := func(text string) (config, error) {
		file := filepath.Join(t.TempDir(), "shomei.toml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c := defaults()
		return c, c.load(file)
	}
	c := defaults()
	file := filepath.Join(t.TempDir(), "shomei.toml")
	if err := os.WriteFile(file, []byte("[law]\nmove_out_ends_at_filing = true\nletter_days = 14\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.load(file); err != nil || !c.Hub.Switches.MoveOutEndsAtFiling || c.Hub.Switches.LetterDays != 14 {
		t.Errorf("%v: %+v", err, c.Hub.Switches)
	}
	for text, named := range map[string]string{
		"[law]\nletter_days = 1000\n": "letter_days", "[law]\nletter_day = 10\n": "letter_days", "[law]\nplan_birthday_month = true\n": "plan_from",
		"[law]\nend_fee_waiver = 3\n": "EndFeeWaiver",
	} {
		if _, err := load(text); !errors.Is(err, ops.ErrConfig) || !strings.Contains(err.Error(), strings.Trim(named, "[]")) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// What shomei nats init writes for a program says all that the centre's own file said, but for where things are and for what
// only another program needs.
func TestTheConfigurationOfAProgramIsTheCentres(t *testing.T) {
	centre := defaults()
	if err := centre.load(example); err != nil {
		t.Fatal(err)
	}
	centre.Hub.ConsoleName = "console.example"
	centre.Law.LetterDays, centre.Hub.From, centre.Console, centre.Validation.Listen = 14, "notice@city.example", "127.0.0.1:1", "127.0.0.1:2"
	for _, program := range []string{"ra", "notifier", "validation", "console"} {
		text, err := centre.of(program, "/data", "tls://nats:4222", "127.0.0.1:3")
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "shomei.toml")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		var got config
		if err := got.load(file); err != nil {
			t.Fatalf("%s: %v\n%s", program, err, text)
		}
		if got.Law != centre.Law || got.Log != centre.Log || got.Hub.From != centre.Hub.From || got.Hub.Host != centre.Hub.Host ||
			!slices.Equal(got.Hub.Names, centre.Hub.Names) || got.Hub.Streams != centre.Hub.Streams || got.Hub.PrintDesk != centre.Hub.PrintDesk {
			t.Errorf("%s: %+v", program, got)
		}
		if (got.SMTP == centre.SMTP) != (program == "notifier") || (got.Console != "") != (program == "console") || (got.Validation.Listen != "") != (program == "validation") ||
			(got.Hub.ConsoleName != "") != (program == "ra") {
			t.Errorf("%s has what another needs, or not what it needs: %+v", program, got)
		}
		if got.Hub.Data != "/data" || !slices.Equal(got.Hub.Servers, []string{"tls://nats:4222"}) || got.Hub.Tables != "127.0.0.1:3" {
			t.Errorf("%s: %+v", program, got.Hub)
		}
	}
}

// Each key stands in the example, in force or behind a #, under its own table.
func TestTheExampleConfigurationIsComplete(t *testing.T) {
	text, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	table := ""
	key := regexp.MustCompile(`^(?:# )?([a-z_]+) = `)
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "["); ok {
			table = strings.TrimSuffix(name, "]") + "."
		} else if m := key.FindStringSubmatch(line); m != nil {
			shown[table+m[1]] = true
		}
	}
	c := defaults()
	keys := ops.Keys(&c)
	if len(keys) < 10 {
		t.Fatalf("%d keys", len(keys))
	}
	for _, key := range keys {
		if !shown[key] {
			t.Errorf("%s does not show %s", example, key)
		}
		delete(shown, key)
	}
	for name := range shown {
		t.Errorf("%s shows %s, which is no key", example, name)
	}
}

// TestAConsoleElsewhereNeedsSignIn: a name that can be a relying party, and a certificate; otherwise it stays on this machine.
func TestAConsoleElsewhereNeedsSignIn(t *testing.T) {
	const signIn = "[sign_in]\nname = \"console.example\"\ncertificate = \"c\"\nkey = \"k\"\n[sign_in.oidc]\n"
	const granted = signIn + "issuer = \"https://idp.example\"\nclient_id = \"console\"\nclient_secret = \"s\"\n"
	for text, named := range map[string]string{
		"[sign_in]\nname = \"192.0.2.1\"\ncertificate = \"c\"\nkey = \"k\"\n": "192.0.2.1", "[sign_in]\nname = \"console.example\"\n": "certificate and key",
		"[sign_in]\ncertificate = \"c\"\nkey = \"k\"\n":                                              "no host name",
		signIn + "issuer = \"http://idp.example\"\n":                                                 "no https URL",
		signIn + "issuer = \"https://idp.example\"\n":                                                "client_id",
		granted + "[[sign_in.oidc.groups]]\ngroup = \"g\"\nroles = [\"clerk\"]\nareas = [\"12\"]\n":  "no role that looks",
		granted + "[[sign_in.oidc.groups]]\ngroup = \"g\"\nroles = [\"analyst\"]\nareas = [\"1\"]\n": "no area",
		granted + "[[sign_in.oidc.groups]]\ngroup = \"g\"\nroles = [\"analyst\"]\n":                  "group, roles and areas",
		"[sign_in]\nname = \"LocalHost\"\ncertificate = \"c\"\nkey = \"k\"\n":                        "as counters are called",
		"[hub]\nconsole_name = \"localhost\"\n":                                                      "as counters are called",
		"[sign_in]\nname = \"console.example:443\"\ncertificate = \"c\"\nkey = \"k\"\n":              "no host name",
	} {
		file := filepath.Join(t.TempDir(), "shomei.toml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c := defaults()
		if err := c.load(file); !errors.Is(err, ops.ErrConfig) || !strings.Contains(err.Error(), named) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if err := hub.Loopback("0.0.0.0:8471"); err == nil || !strings.Contains(err.Error(), "[sign_in]") {
		t.Errorf("a console without sign-in that everybody reaches: %v", err)
	}
}
