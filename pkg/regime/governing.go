package regime

import (
	"time"

	"shomei/pkg/civil"
)

// Governs answers which regime governs an operation on a day. Before
// 2004-01-29 and, for issuing, from 2015-12-23 to 2015-12-31 none does, and the
// ruling refuses. Revocation and unblocking of juki certificates go on until
// 2018-12-21 beside the My Number regime: name that regime to JukiRunOff.
func Governs(op Operation, on civil.Date) (Regime, Ruling) { return "", Ruling{} }

// Allows judges whether regime r lets the operation be done on the day at all:
// issue while the regime lasts, revocation and unblocking also in its run-off.
func Allows(r Regime, op Operation, on civil.Date) Ruling { return Ruling{} }

// Receipt is the outcome of an office receiving something at an instant.
type Receipt struct {
	Ruling
	Next time.Time // when refused: the next opening for this operation, in UTC; zero: none
}

// Receives judges whether the office takes in the operation under regime r at
// the instant of receipt: the national dates, the office's own last acceptance
// capped by them (domain.md 1.3.6), branches, and the opening calendar.
func (o Office) Receives(r Regime, op Operation, at time.Time) Receipt { return Receipt{} }
