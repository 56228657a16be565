// Package events is the contract between Shomei's processes, for decades: what the log stores, what counters send and
// receive, on which subjects, and how it is signed and read. Fields and events are added, never changed.
package events

// The AsyncAPI document shows the contract to people and tools that do not read .proto files.
//go:generate go run ./asyncapi .. asyncapi.json
