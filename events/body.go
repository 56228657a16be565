package events

import (
	"fmt"
	"sync"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Body is the message of one kind of event, such as *CertificateIssued.
type Body = proto.Message

// Descriptors are ready only after the generated init functions have run, so they are looked up on first use.
var (
	bodyOneof = sync.OnceValue(func() protoreflect.OneofDescriptor {
		return (*Event)(nil).ProtoReflect().Descriptor().Oneofs().ByName("body")
	})
	bodyFields = sync.OnceValue(fieldsByMessage)
)

func fieldsByMessage() map[protoreflect.FullName]protoreflect.FieldDescriptor {
	oneof := bodyOneof()
	fields := make(map[protoreflect.FullName]protoreflect.FieldDescriptor, oneof.Fields().Len())
	for i := range oneof.Fields().Len() {
		field := oneof.Fields().Get(i)
		fields[field.Message().FullName()] = field
	}
	return fields
}

// New returns an event of a body, under the rules that led to it. The body must be one of the oneof of Event; anything
// else is a programming error and panics.
func New(body Body, rules ...string) *Event {
	message := body.ProtoReflect()
	field, ok := bodyFields()[message.Descriptor().FullName()]
	if !ok {
		panic(fmt.Sprintf("%s is not a kind of event", message.Descriptor().FullName()))
	}
	e := &Event{RuleIds: rules}
	e.ProtoReflect().Set(field, protoreflect.ValueOfMessage(message))
	return e
}

// BodyOf returns the body of an event, or nil if this version knows none.
func BodyOf(e *Event) Body {
	field := e.ProtoReflect().WhichOneof(bodyOneof())
	if field == nil {
		return nil
	}
	return e.ProtoReflect().Get(field).Message().Interface()
}

// Name returns the name of an event's kind, such as "CertificateIssued", or "" if this version does not know it.
func Name(e *Event) string {
	field := e.ProtoReflect().WhichOneof(bodyOneof())
	if field == nil {
		return ""
	}
	return string(field.Message().Name())
}
