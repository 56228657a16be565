// Package agent is the counter's program: it files applications, changes the card in the reader as the hub commands, and
// stores its claims until the hub has them.
//
// One [Store] holds, in one hash chain and in the order of events, the claims sent, the commands received and what was
// done to cards. A [Counter] works on top of it: [Counter.Receive] files an application, [Counter.Confirm] takes the
// resident's PINs, [Counter.Progress] feeds the pages.
//
// A command runs at most once. The journal holds the intent before the first APDU that changes a card; after a restart
// the card itself shows how far the work came (card.Classify), and the work continues there or fails repairably. A PIN
// lives in memory only, from Confirm until the card has it, and is then wiped.
package agent
