package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"shomei/events"
)

const root = "../.."

func TestTheCommittedDocumentIsUpToDate(t *testing.T) {
	want, err := render(root)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../asyncapi.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Fatal("events/asyncapi.json is not what the .proto files say: run go generate ./events and commit it")
	}
}

// judge parses a document with @asyncapi/parser and gives what it found wrong, worst first; empty for nothing.
func judge(t *testing.T, text []byte) string {
	t.Helper()
	modules := filepath.Join(root, "deploy", "node")
	if _, err := os.Stat(filepath.Join(modules, "node_modules", "@asyncapi", "parser")); err != nil {
		t.Fatalf("@asyncapi/parser is not installed: run npm ci --ignore-scripts in deploy/node (make test does): %v", err)
	}
	const script = `
const { Parser } = require("@asyncapi/parser");
new Parser().parse(require("fs").readFileSync(0, "utf8")).then(({ document, diagnostics }) => {
  const errors = diagnostics.filter((d) => d.severity === 0).map((d) => d.path.join("/") + ": " + d.message);
  if (!document && errors.length === 0) errors.push("no document");
  if (document) console.log("messages " + document.allMessages().all().length);
  for (const e of errors) console.log("error " + e);
});`
	node := exec.Command("node", "-e", script)
	node.Dir, node.Stdin = modules, bytes.NewReader(text)
	var stderr bytes.Buffer
	node.Stderr = &stderr
	out, err := node.Output()
	if err != nil {
		t.Fatalf("running the parser: %v\n%s", err, stderr.String())
	}
	return string(out)
}

func TestTheParserAcceptsTheDocumentAndRefusesBrokenOnes(t *testing.T) {
	good, err := os.ReadFile("../asyncapi.json")
	if err != nil {
		t.Fatal(err)
	}
	broken := map[string][2]string{
		"reference to nowhere": {"#/components/schemas/Stored", "#/components/schemas/Nowhere"},
		"unknown action":       {`"action": "receive"`, `"action": "overhear"`},
		"unknown type":         {`"type": "boolean"`, `"type": "perhaps"`},
		"undefined parameter":  {"shomei.command.{counter}", "shomei.command.{counter}.{other}"},
	}
	for name, change := range broken {
		t.Run(name, func(t *testing.T) {
			bad := bytes.Replace(good, []byte(change[0]), []byte(change[1]), 1)
			if bytes.Equal(bad, good) {
				t.Fatalf("%q does not occur in the document", change[0])
			}
			if found := judge(t, bad); !strings.Contains(found, "error ") {
				t.Fatalf("the parser found nothing wrong: %s", found)
			}
		})
	}
	if found := judge(t, good); found != "messages 3\n" {
		t.Fatalf("the parser says:\n%s", found)
	}
}

func TestEveryEventAndSubjectStandsInTheDocument(t *testing.T) {
	text, err := os.ReadFile("../asyncapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Channels   map[string]struct{ Address string }
		Components struct {
			Schemas map[string]struct {
				Description string
				Properties  map[string]json.RawMessage
			}
		}
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	bodies := (&events.Event{}).ProtoReflect().Descriptor().Oneofs().ByName("body").Fields()
	for i := range bodies.Len() {
		m := bodies.Get(i).Message()
		schema, ok := doc.Components.Schemas[string(m.Name())]
		if !ok || len(schema.Properties) != m.Fields().Len() {
			t.Errorf("%s has %d fields, its schema %d", m.Name(), m.Fields().Len(), len(schema.Properties))
		}
	}
	if got := doc.Components.Schemas["Delivered"].Description; !strings.HasPrefix(got, "Delivered: 交付.") {
		t.Errorf("comments do not become descriptions: %q", got)
	}
	if address := doc.Channels["log"].Address; !strings.HasPrefix(address, strings.TrimSuffix(events.LogSubjects, ">")) {
		t.Errorf("the log's channel is %q, its subjects are %q", address, events.LogSubjects)
	}
}
