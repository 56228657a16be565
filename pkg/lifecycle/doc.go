// Package lifecycle holds the rules of one aggregate: what a command decides, and what an event changes. [Decide] makes
// every event of a subscriber, and [Evolve] folds events into the state that the next decision sees. Both are pure:
// time is an argument, and there is no I/O and no key. Package regime knows what the law says on which date; this
// package knows the order of things: one application at a time, keys before certificates, at most one live certificate
// of a kind, a discharge for every obligation.
//
// A refusal is a decision like any other and gives events. A fact of the physical world (a key was generated, a card
// was written, a person died) is never refused: if it changes nothing, it is recorded as FactRefused with the reason.
//
// Decisions:
//   - 2026-11-22: the folded state is the protobuf message of events/state.proto itself, not a second set of structs.
//   - 2026-11-22: REISSUE is also "revoke and issue anew" outside the renewal window; what it replaces ends in the
//     commit that issues, so the double-issue ban (Act 2013 Art 6, Act 2016 Arts 6, 25) holds at every instant.
//   - 2026-11-22: an application that can't be completed is withdrawn ([Decide] checks after every command), so that
//     nothing stays owed for ever.
//   - 2026-11-22: retiring a card's own aggregate is no obligation of the subscriber: followers do it for CardVoided and
//     CardReturned by [RetireCard], which can be repeated.
package lifecycle
