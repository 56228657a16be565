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
		Host         string   `toml:"host"`
		Port         int      `toml:"port"`
		Timeout      Duration `toml:"timeout"`
		TLS          bool     `toml:"tls"`
		Servers      []string `toml:"servers"`
		Password     string   `toml:"password"`
		PasswordFile string   `toml:"password_file"`
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
	path := write(t, "c.toml",
		"data = \"/var/lib/shomei\"\n[smtp]\nhost = \"mail\"\nport = 25\ntimeout = \"90s\"\npassword_file = \""+secret+"\"\n")
	cfg := exampleConfig{}
	cfg.Log.Level = "info"
	environ := []string{"SHOMEI_SMTP_HOST=other", "SHOMEI_SMTP_TLS=true", "SHOMEI_SMTP_SERVERS=a, b", "SHOMEI_CHDB_LIB=elsewhere", "HOME=/x"}
	got, err := Load(path, environ, &cfg)
	if err != nil {
		t.Fatal(err)
	}
	want := exampleConfig{Data: "/var/lib/shomei", Log: LogConfig{Level: "info"}}
	want.SMTP.Host, want.SMTP.Port, want.SMTP.Timeout = "other", 25, Duration{90 * time.Second}
	want.SMTP.TLS, want.SMTP.Servers = true, []string{"a", "b"}
	want.SMTP.Password, want.SMTP.PasswordFile = "s3cret", secret
	if diff := cmp.Diff(want, cfg); diff != "" {
		t.Error(diff)
	}
	wantOrigins := []Origin{
		{"data", path, "/var/lib/shomei"},
		{"log.level", "default", "info"},
		{"log.format", "default", ""},
		{"smtp.host", "SHOMEI_SMTP_HOST", "other"},
		{"smtp.port", path, "25"},
		{"smtp.timeout", path, "1m30s"},
		{"smtp.tls", "SHOMEI_SMTP_TLS", "true"},
		{"smtp.servers", "SHOMEI_SMTP_SERVERS", "[a b]"},
		{"smtp.password", secret, "***"},
		{"smtp.password_file", path, secret},
	}
	if diff := cmp.Diff(wantOrigins, got); diff != "" {
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
		"duration":                    {file: "[smtp]\ntimeout = \"soon\"\n", want: []string{"c.toml:2:", "soon"}},
		"variable of a wrong type":    {environ: []string{"SHOMEI_SMTP_PORT=x"}, want: []string{`SHOMEI_SMTP_PORT: "x" is not a whole number`}},
		"variable that sets nothing":  {environ: []string{"SHOMEI_SMTP_HOTS=x"}, want: []string{`did you mean "SHOMEI_SMTP_HOST"?`}},
		"secret file absent":          {environ: []string{"SHOMEI_SMTP_PASSWORD_FILE=/no/such"}, want: []string{"smtp.password_file", "/no/such"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var cfg exampleConfig
			_, err := Load(write(t, "c.toml", test.file), test.environ, &cfg)
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
	if _, err := Load("/no/such.toml", nil, &exampleConfig{}); !errors.Is(err, ErrConfig) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
