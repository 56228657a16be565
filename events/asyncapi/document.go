package main

import (
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"shomei/events"
)

// node is one object of the document; encoding/json sorts its members by name, so the file is stable.
type node = map[string]any

const contract = protoreflect.FullName("shomei.events")

// encodedIn names the message that a bytes field encodes, because a descriptor can't.
var encodedIn = map[protoreflect.FullName]protoreflect.Name{
	contract + ".Stored.commit":         "Commit",
	contract + ".Stored.state":          "StateBytes",
	contract + ".SignedClaim.claim":     "Claim",
	contract + ".Claim.sealed":          "Personal",
	contract + ".SealedDownlink.sealed": "Downlink",
	contract + ".KeysRecorded.claim":    "SignedClaim",
}

// document returns the AsyncAPI 3.0 document of the contract: channels are subjects, messages what is sent on them, and
// schemas every message and enum of the .proto files, described by their comments.
func document(files []protoreflect.FileDescriptor) node {
	return node{
		"asyncapi":           "3.0.0",
		"info":               info(),
		"defaultContentType": "application/x-protobuf",
		"channels":           channels(),
		"operations":         operations(),
		"components": node{
			"messages": node{
				"Stored":         message("Stored", "One decision about one aggregate, as the log holds it."),
				"SignedClaim":    message("SignedClaim", "A fact that a counter saw, signed by the counter."),
				"SealedDownlink": message("SealedDownlink", "A command or an answer, sealed to its counter and signed by the hub."),
			},
			"schemas": schemas(files),
		},
	}
}

func info() node {
	return node{
		"title":   "Shomei",
		"version": "1",
		"description": "The contract between Shomei's processes. Payloads are Protocol Buffers (events/*.proto decide); " +
			"the schemas here show the same messages field by field, with each field's number. " +
			"Fields are added, never renumbered, re-used or given another meaning.",
		"license": node{"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
	}
}

func channels() node {
	return node{
		"log": channel("shomei.log.{kind}.{shard}.{id}", "Stored", "The log: one subject per aggregate, one message per decision.", node{
			"kind":  node{"description": "Kind of aggregate.", "enum": events.Kinds},
			"shard": node{"description": "First 12 bits of SHA-256 of the id, as three lower-case hexadecimal digits."},
			"id":    node{"description": "Id of the aggregate within its kind."},
		}),
		"claims": channel("shomei.counter.{counter}", "SignedClaim", "Claims of one counter, in the order of its local store.", node{
			"counter": node{"description": "Id of the counter, which alone may publish here."},
		}),
		"commands": channel("shomei.command.{counter}", "SealedDownlink", "Commands and answers for one counter.", node{
			"counter": node{"description": "Id of the counter, which alone may consume here."},
		}),
	}
}

func channel(address, name, description string, parameters node) node {
	return node{
		"address":     address,
		"description": description,
		"parameters":  parameters,
		"messages":    node{name: reference("#/components/messages/" + name)},
	}
}

func operations() node {
	return node{
		"storeCommit":  operation("send", "log", "Store a decision, expecting the aggregate's last sequence."),
		"followLog":    operation("receive", "log", "Follow the log: project, sign, dispatch, notify."),
		"takeClaims":   operation("receive", "claims", "Take counters' claims and decide what they mean."),
		"sendCommands": operation("send", "commands", "Send commands and answers down to a counter."),
	}
}

func operation(action, channel, summary string) node {
	return node{"action": action, "channel": reference("#/channels/" + channel), "summary": summary}
}

func message(name, summary string) node {
	return node{
		"name":        string(contract) + "." + name,
		"summary":     summary,
		"contentType": "application/x-protobuf",
		"payload":     reference("#/components/schemas/" + name),
	}
}

func reference(to string) node { return node{"$ref": to} }

func schemas(files []protoreflect.FileDescriptor) node {
	all := node{}
	for _, file := range files {
		for i := range file.Messages().Len() {
			m := file.Messages().Get(i)
			all[string(m.Name())] = messageSchema(m)
		}
		for i := range file.Enums().Len() {
			e := file.Enums().Get(i)
			all[string(e.Name())] = enumSchema(e)
		}
	}
	return all
}

func messageSchema(m protoreflect.MessageDescriptor) node {
	properties := node{}
	for i := range m.Fields().Len() {
		field := m.Fields().Get(i)
		properties[string(field.Name())] = fieldSchema(field)
	}
	schema := node{"type": "object", "title": string(m.Name()), "properties": properties}
	describe(schema, m)
	for i := range m.Oneofs().Len() {
		schema["oneOf"] = alternatives(m.Oneofs().Get(i))
	}
	return schema
}

func alternatives(oneof protoreflect.OneofDescriptor) []node {
	all := make([]node, oneof.Fields().Len())
	for i := range all {
		all[i] = node{"required": []string{string(oneof.Fields().Get(i).Name())}}
	}
	return all
}

func fieldSchema(field protoreflect.FieldDescriptor) node {
	schema := valueSchema(field)
	if field.IsList() {
		schema = node{"type": "array", "items": schema}
	}
	if schema["$ref"] != nil {
		// Readers of JSON Schema draft 7 ignore members beside a $ref.
		schema = node{"allOf": []node{schema}}
	}
	schema["x-field-number"] = int(field.Number())
	describe(schema, field)
	return schema
}

func valueSchema(field protoreflect.FieldDescriptor) node {
	switch field.Kind() {
	case protoreflect.MessageKind:
		return reference("#/components/schemas/" + string(field.Message().Name()))
	case protoreflect.EnumKind:
		return reference("#/components/schemas/" + string(field.Enum().Name()))
	case protoreflect.BytesKind:
		return bytesSchema(field)
	case protoreflect.BoolKind:
		return node{"type": "boolean"}
	case protoreflect.StringKind:
		return node{"type": "string"}
	case protoreflect.Uint32Kind, protoreflect.Uint64Kind:
		return node{"type": "integer", "minimum": 0, "format": field.Kind().String()}
	default:
		return node{"type": "integer", "format": field.Kind().String()}
	}
}

func bytesSchema(field protoreflect.FieldDescriptor) node {
	schema := node{"type": "string", "format": "byte"}
	if name, ok := encodedIn[field.FullName()]; ok {
		schema["x-encodes"] = string(name)
	}
	return schema
}

func enumSchema(e protoreflect.EnumDescriptor) node {
	names, numbers := make([]string, e.Values().Len()), node{}
	var said []string
	for i := range names {
		value := e.Values().Get(i)
		names[i] = string(value.Name())
		numbers[names[i]] = int(value.Number())
		if text := comment(value); text != "" {
			said = append(said, text)
		}
	}
	schema := node{"type": "string", "title": string(e.Name()), "enum": names, "x-enum-numbers": numbers}
	if text := comment(e); text != "" {
		said = append([]string{text}, said...)
	}
	if len(said) > 0 {
		schema["description"] = strings.Join(said, "\n")
	}
	return schema
}

func describe(schema node, d protoreflect.Descriptor) {
	if text := comment(d); text != "" {
		schema["description"] = text
	}
}

func comment(d protoreflect.Descriptor) string {
	leading := d.ParentFile().SourceLocations().ByDescriptor(d).LeadingComments
	return strings.Join(strings.Fields(leading), " ")
}
