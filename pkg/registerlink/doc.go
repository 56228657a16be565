// Package registerlink is the wire between a municipality's resident register and the centre's gateway, both ends of it
// (events/register.proto).
//
// A batch of changes goes to shomei.register.<office>.changes, a request. The office is the one that the server let the
// register publish on. The changes are sealed to the gateway's HPKE key (RFC 9180), and the batch is signed with the key by
// which an event enrolled the register at that office. The answer holds one outcome for each change, under a secret that only
// who could open the batch can derive: whoever controls NATS can withhold answers, and make none.
//
// [Client] sends batches; [Server] answers them. A batch may be sent again: a change is recorded once for its number.
package registerlink
