package events

import (
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// TestSealedOfKnowsEveryEventThatSeals, so that no key is forgotten where somebody asks which the log needs.
func TestSealedOfKnowsEveryEventThatSeals(t *testing.T) {
	bodies := (&Event{}).ProtoReflect().Descriptor().Oneofs().ByName("body").Fields()
	seals := 0
	for i := range bodies.Len() {
		message := bodies.Get(i).Message()
		for j := range message.Fields().Len() {
			field := message.Fields().Get(j)
			if field.Message() == nil || field.Message().Name() != "Sealed" {
				continue
			}
			seals++
			found, err := protoregistry.GlobalTypes.FindMessageByName(message.FullName())
			if err != nil {
				t.Fatal(err)
			}
			body := found.New()
			sealed := &Sealed{RecordClass: "identity"}
			body.Set(field, protoreflect.ValueOfMessage(sealed.ProtoReflect()))
			if SealedOf(body.Interface()) != sealed {
				t.Errorf("%s seals %s", message.Name(), field.Name())
			}
		}
	}
	if seals < 5 {
		t.Errorf("%d fields are sealed", seals)
	}
}
