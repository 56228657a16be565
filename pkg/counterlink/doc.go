// Package counterlink is the wire between the hub and its counters, both ends of it: claims go up, commands and answers
// come down (events/claim.proto).
//
// # Up
//
// A counter keeps its claims in a store of its own, each signed and chained to the one before it by store epoch, number
// and hash ([Outbox]). A [Link] publishes them in order to shomei.counter.<counter> in the stream CLAIMS and waits for each
// acknowledgement. Every publish names the sequence it expects as the last one on that subject, so the same claim can't
// be stored twice however often it is sent; after any doubt the link compares heads with the hub before it goes on.
//
// The hub reads the stream in the order of each counter ([Links.Claims]), checks the signature by the key the counter was
// enrolled with and the chain by the head it knows ([Head.Judge]), and hands on the next claim only. What is not the
// next claim and not a mere repetition goes to quarantine, whole.
//
// # Down
//
// Commands and answers are sealed to the counter's HPKE key (RFC 9180), signed by the hub and published to
// shomei.command.<counter> in the stream COMMANDS. The counter drops what it has seen by the id of the message.
//
// # Link-up
//
// On shomei.counter.<counter>.head the counter asks for the hub's head and tells its own. Both compare: a differing
// epoch or hash, or a head that went backwards, is [ErrHeadMismatch]. Then nothing goes up, the hub raises an alarm, and a
// person decides ([Links.Adopt]).
//
// # Cards
//
// On shomei.counter.<counter>.card the counter asks for the answer to a card's challenge, signed by its own key, and gets
// it sealed to it ([CardClient], [Links.AnswerCards]; deploy/card-keys.md). Nothing of it is kept in a stream.
package counterlink
