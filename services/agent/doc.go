// Package agent is the counter: it takes applications, works on the card in the reader as the hub commands, and keeps what
// it saw until the hub has it.
//
// Everything it must not forget lies in one [Store], in one hash chain: the claims that go up, the commands that came down
// and what was done to cards, in the order in which it happened. A [Counter] is the behaviour on top: [Counter.Receive] files an
// application, [Counter.Confirm] is the resident's own page, [Counter.Progress] what the pages show live.
//
// A command runs at most once. Before the first APDU that changes a card the journal holds the intent; after a restart
// the card itself is asked how far it came (card.Classify), and the work goes on from there or fails repairably. A PIN
// lives in memory only, from Confirm until the card has taken it, and is wiped then.
package agent
