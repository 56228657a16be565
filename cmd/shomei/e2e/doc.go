// Package e2e holds the tests of whole lives on real parts: a centre and a counter, each in a process of its own, a
// card in software behind pcscd, a mail sink; killed at every named crash point and at random, and fed bad input. It has
// no code of its own beside the tests.
//
// With SHOMEI_SOAK (make soak) every kind of damage is done to every kind of aggregate, every act meets every crash point,
// and many more processes are killed at random; make test takes of each what it needs to come by every point once.
// SHOMEI_RANDOM_KILLS sets the number of random kills, SHOMEI_SEED their seed, which is printed.
package e2e
