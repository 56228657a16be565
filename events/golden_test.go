package events

import (
	"crypto/ed25519"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nkeys"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/testing/protocmp"
)

var addGoldens = flag.Bool("goldens", false, "add the goldens that are missing; existing ones are never written")

// golden is one file of testdata/goldens: bytes that some version wrote, and what they mean. It is added and never
// edited; when a message gains a field, the next number is added beside it.
type golden struct {
	Message string          `json:"message"`
	Encoded []byte          `json:"encoded"`
	Means   json.RawMessage `json:"means"`
}

// catalogue is every message whose bytes outlive the process that wrote them: each event, state, claimed fact and
// body of a downlink, and what they travel in.
func catalogue() []protoreflect.MessageDescriptor {
	var messages []protoreflect.MessageDescriptor
	for _, oneof := range []protoreflect.OneofDescriptor{
		bodyOneof(),
		(*Claim)(nil).ProtoReflect().Descriptor().Oneofs().ByName("fact"),
		(*Downlink)(nil).ProtoReflect().Descriptor().Oneofs().ByName("body"),
	} {
		for i := range oneof.Fields().Len() {
			messages = append(messages, oneof.Fields().Get(i).Message())
		}
	}
	for _, m := range []proto.Message{
		&SubscriberState{}, &CardState{}, &OfficeState{}, &AuthorityState{}, &QuarantineState{}, &ApprovalState{}, &StateBytes{},
		&Stored{}, &Commit{}, &SignedClaim{}, &Claim{}, &SealedDownlink{}, &Downlink{}, &Personal{},
	} {
		messages = append(messages, m.ProtoReflect().Descriptor())
	}
	return messages
}

// filled gives a message with every field set, to values that depend on the field's name and number alone.
func filled(descriptor protoreflect.MessageDescriptor) protoreflect.Message {
	messageType, err := protoregistry.GlobalTypes.FindMessageByName(descriptor.FullName())
	if err != nil {
		panic(err)
	}
	m := messageType.New()
	fields := descriptor.Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		switch {
		case field.ContainingOneof() != nil && m.WhichOneof(field.ContainingOneof()) != nil:
		case field.IsList():
			list := m.Mutable(field).List()
			list.Append(filledValue(field, 1))
			list.Append(filledValue(field, 2))
		default:
			m.Set(field, filledValue(field, 1))
		}
	}
	return m
}

func filledValue(field protoreflect.FieldDescriptor, n int) protoreflect.Value {
	number := int(field.Number())*100 + n
	switch field.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(filledString(field, n))
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte(fmt.Sprintf("%s-%d\x00\xff", field.Name(), n)))
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(true)
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(min(n, field.Enum().Values().Len()-1)))
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(uint32(number))
	case protoreflect.Uint64Kind:
		return protoreflect.ValueOfUint64(1<<40 + uint64(number))
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(1452560400000 + int64(number))
	case protoreflect.MessageKind:
		return protoreflect.ValueOfMessage(filled(field.Message()))
	}
	panic(fmt.Sprintf("field %s is of kind %s, which the contract does not use", field.FullName(), field.Kind()))
}

func filledString(field protoreflect.FieldDescriptor, n int) string {
	name := string(field.Name())
	if strings.HasSuffix(name, "_on") || strings.HasSuffix(name, "day") || strings.HasSuffix(name, "opens") {
		return fmt.Sprintf("2020-%02d-%02d", 1+field.Number()%12, 17+n)
	}
	return fmt.Sprintf("%s-%d", name, n)
}

func goldenFiles(t testing.TB, message protoreflect.Name) []string {
	t.Helper()
	var files []string
	for n := 1; ; n++ {
		file := goldenFile(message, n)
		if _, err := os.Stat(file); err != nil {
			return files
		}
		files = append(files, file)
	}
}

func goldenFile(message protoreflect.Name, n int) string {
	return filepath.Join("testdata", "goldens", fmt.Sprintf("%s.%d.json", message, n))
}

func readGolden(t testing.TB, file string) golden {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(content, &g); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return g
}

func addGolden(t *testing.T, message proto.Message, n int) {
	t.Helper()
	encoded, err := Encode(message)
	if err != nil {
		t.Fatal(err)
	}
	means, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	name := message.ProtoReflect().Descriptor().Name()
	content, err := json.MarshalIndent(golden{Message: string(name), Encoded: encoded, Means: means}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(goldenFile(name, n), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.Write(append(content, '\n')); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	t.Logf("added %s", file.Name())
}

func TestEveryMessageOfTheCatalogueHasAGolden(t *testing.T) {
	for _, descriptor := range catalogue() {
		t.Run(string(descriptor.Name()), func(t *testing.T) {
			files := goldenFiles(t, descriptor.Name())
			missing := "it has none"
			if len(files) > 0 {
				missing = unsetField(goldenMessage(t, readGolden(t, files[len(files)-1])))
			}
			if missing != "" && *addGoldens {
				addGolden(t, filled(descriptor).Interface(), len(files)+1)
			} else if missing != "" {
				t.Fatalf("%s needs a golden: %s. Add it: go test ./events -run Golden -goldens", descriptor.Name(), missing)
			}
		})
	}
}

// unsetField names a field, however deep, that the message leaves empty: a newer contract than the golden's.
func unsetField(m protoreflect.Message) string {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		if oneof := field.ContainingOneof(); oneof != nil && m.WhichOneof(oneof) != nil && !m.Has(field) {
			continue
		}
		if !m.Has(field) {
			return fmt.Sprintf("field %s is empty in the newest one", field.FullName())
		}
		inner, ok := innerMessage(m, field)
		if !ok {
			continue
		}
		if missing := unsetField(inner); missing != "" {
			return missing
		}
	}
	return ""
}

func innerMessage(m protoreflect.Message, field protoreflect.FieldDescriptor) (protoreflect.Message, bool) {
	if field.Kind() != protoreflect.MessageKind {
		return nil, false
	}
	if field.IsList() {
		return m.Get(field).List().Get(0).Message(), true
	}
	return m.Get(field).Message(), true
}

func goldenMessage(t testing.TB, g golden) protoreflect.Message {
	t.Helper()
	messageType, err := protoregistry.GlobalTypes.FindMessageByName(protoreflect.FullName("shomei.events." + g.Message))
	if err != nil {
		t.Fatalf("golden of %s: %v", g.Message, err)
	}
	m := messageType.New()
	if err := proto.Unmarshal(g.Encoded, m.Interface()); err != nil {
		t.Fatalf("golden of %s: %v", g.Message, err)
	}
	return m
}

func TestEveryGoldenMeansWhatItMeant(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "goldens", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no goldens found: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			g := readGolden(t, file)
			got := goldenMessage(t, g)
			want := got.New().Interface()
			if err := protojson.Unmarshal(g.Means, want); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got.Interface(), protocmp.Transform()); diff != "" {
				t.Errorf("bytes mean something else now (-then +now):\n%s", diff)
			}
			again, err := Encode(got.Interface())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(g.Encoded, again); diff != "" {
				t.Errorf("bytes change when encoded again (-then +now):\n%s", diff)
			}
		})
	}
}

func TestAGoldenCatchesARenumberedField(t *testing.T) {
	g := readGolden(t, goldenFile("CardTakenIntoCustody", 1))
	m := goldenMessage(t, g).Interface().(*CardTakenIntoCustody)
	m.Card, m.Procedure = m.GetProcedure(), m.GetCard()
	want := new(CardTakenIntoCustody)
	if err := protojson.Unmarshal(g.Means, want); err != nil {
		t.Fatal(err)
	}
	if proto.Equal(m, want) {
		t.Fatal("two swapped fields went unnoticed")
	}
}

// testWriter is a fixed nkey: what it signs is the same in every run.
func testWriter(t testing.TB) nkeys.KeyPair {
	t.Helper()
	seed := make([]byte, ed25519.SeedSize)
	copy(seed, "fixed writer of the tests")
	key, err := nkeys.FromRawSeed(nkeys.PrefixByteUser, seed)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
