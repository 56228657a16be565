// Package e2e holds the tests of whole lives on real parts: a centre and a counter, each in a process of its own, a
// card in software behind pcscd, a mail sink; killed at every named crash point and at random, and fed bad input. It has
// no code of its own beside the tests.
//
// SHOMEI_RANDOM_KILLS sets the number of random kills (default 4), SHOMEI_SEED their seed, which is printed.
package e2e
