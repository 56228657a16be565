// Package lifecycle holds the rules of one aggregate: what a command decides, and what an event changes. Its centre
// is [Decide], in which every event of a subscriber is born, and [Evolve], which folds events into the state that the
// next decision sees. Both are pure: time is an argument, and there is no I/O and no key. What the law says by date
// stands in package regime; here stands the order of things: one application at a time, keys before certificates, at
// most one live certificate of a kind, an end for everything owed.
//
// A refusal is a decision like any other and gives events. A fact of the physical world (a key was generated, a card
// was written, a person died) is never refused: when it changes nothing it is recorded as FactRefused with why.
//
// Decisions:
//   - 2026-11-22: the folded state is the protobuf message of events/state.proto itself, not a second set of structs.
//   - 2026-11-22: REISSUE is also "revoke and issue anew" outside the renewal window; what it replaces ends in the
//     commit that issues, so the double-issue ban (Act 2013 Art 6, Act 2016 Arts 6, 25) holds at every instant.
//   - 2026-11-22: an application is withdrawn by itself when it can't be carried through any more ([Decide] looks after
//     every command), so that nothing stays owed for ever.
//   - 2026-11-22: retiring a card's own aggregate is no obligation of the subscriber: followers do it for CardVoided and
//     CardReturned by [RetireCard], which can be repeated.
package lifecycle
