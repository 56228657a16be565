package ops

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type exampleConfig struct {
	Data string    `toml:"data"`
	Log  LogConfig `toml:"log"`
	SMTP struct {
		Host         string    `toml:"host"`
		Port         int       `toml:"port"`
		Since        time.Time `toml:"since"`
		TLS          bool      `toml:"tls"`
		Servers      []string  `toml:"servers"`
		Password     string    `toml:"password"`
		PasswordFile string    `toml:"password_file"`
	} `toml:"smtp"`
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoadTakesFileThenEnvironmentThenSecretFile(t *testing.T) {
	secret := write(t, "password", "s3cret\n")
	path := write(t, "c.toml", "data = \"/var/lib/shomei\"\n[smtp]\nhost = \"mail\"\nport = 25\nsince = 2016-01-01T00:00:00Z\npassword_file = \""+secret+"\"\n")
	cfg := exampleConfig{}
	cfg.Log.Level = "info"
	environ := []string{"SHOMEI_SMTP_HOST=other", "SHOMEI_SMTP_TLS=true", "SHOMEI_SMTP_SINCE=2017-01-01T00:00:00Z", "SHOMEI_SMTP_SERVERS=a b, c,", "SHOMEI_CHDB_LIB=elsewhere", "HOME=/x"}
	if err := Load(path, environ, &cfg); err != nil {
		t.Fatal(err)
	}
	want := exampleConfig{Data: "/var/lib/shomei", Log: LogConfig{Level: "info"}}
	want.SMTP.Host, want.SMTP.Port, want.SMTP.Since = "other", 25, time.Date(2017, 1, 1, 0, 0, 0, 0, time.UTC)
	want.SMTP.TLS, want.SMTP.Servers = true, []string{"a b", "c"}
	want.SMTP.Password, want.SMTP.PasswordFile = "s3cret", secret
	if diff := cmp.Diff(want, cfg); diff != "" {
		t.Error(diff)
	}
	keys := []string{
		"data", "log.level", "log.format", "smtp.host", "smtp.port", "smtp.since", "smtp.tls", "smtp.servers", "smtp.password", "smtp.password_file",
	}
	if diff := cmp.Diff(keys, Keys(&cfg)); diff != "" {
		t.Error(diff)
	}
}

func TestLoadNamesWhatIsWrongAndWhere(t *testing.T) {
	tests := map[string]struct {
		file    string
		environ []string
		want    []string
	}{
		"unknown key with a near one": {file: "[smtp]\nhots = \"x\"\n", want: []string{`c.toml:2:1: unknown key "smtp.hots"; did you mean "smtp.host"?`}},
		"two unknown keys":            {file: "dota = 1\n[log]\nlevle = \"x\"\n", want: []string{":1:1:", `"data"`, ":3:1:", `"log.level"`}},
		"unknown key, nothing near":   {file: "zzzzzzzz = 1\n", want: []string{`unknown key "zzzzzzzz"`}},
		"wrong type":                  {file: "data = 3\n", want: []string{"c.toml:1:8:"}},
		"broken syntax":               {file: "data = \n", want: []string{"c.toml:1:"}},
		"time":                        {file: "[smtp]\nsince = \"soon\"\n", want: []string{"c.toml:2:", "soon"}},
		"variable of a wrong type":    {environ: []string{"SHOMEI_SMTP_PORT=x"}, want: []string{`SHOMEI_SMTP_PORT: "x" is not a whole number`}},
		"number with more behind":     {environ: []string{"SHOMEI_SMTP_PORT=25 x"}, want: []string{`"25 x" is not a whole number`}},
		"neither yes nor no":          {environ: []string{"SHOMEI_SMTP_TLS=perhaps"}, want: []string{`"perhaps" is neither true nor false`}},
		"variable that sets nothing":  {environ: []string{"SHOMEI_SMTP_HOTS=x"}, want: []string{`did you mean "SHOMEI_SMTP_HOST"?`}},
		"secret file absent":          {environ: []string{"SHOMEI_SMTP_PASSWORD_FILE=/no/such"}, want: []string{"smtp.password_file", "/no/such"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var cfg exampleConfig
			err := Load(write(t, "c.toml", test.file), test.environ, &cfg)
			if !errors.Is(err, ErrConfig) {
				t.Fatalf("got %v, want ErrConfig", err)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\ndoes not say %q", err, want)
				}
			}
		})
	}
}

func TestLoadRefusesAnAbsentFile(t *testing.T) {
	if err := Load("/no/such.toml", nil, &exampleConfig{}); !errors.Is(err, ErrConfig) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
