// Package forecast learns from the history of offices how many people will stand at which office on which day: a History in, a Forecast
// with bands out. It is pure: no tables, no clock, no chance.
//
// # Model
//
// Who holds a certificate that ends on some day is at risk to come. On an open day they come with a probability that is learned from
// what the history shows: a part by the days left to the last day (or since it: late returns), and a part by the days since the notice,
// both multiplied by what the weekday and a closure just before do, by the season, by the office and by how the last weeks compare with
// the long run. Death, moves and losses take holders away meanwhile. Cohorts (office, kind, last day) are carried forward as counts, day
// by day, so that a notice that moves or an office that closes changes what follows.
//
// Visits that no last day announces (moves, re-issue, PINs, hand-overs) are learned by procedure as a level with the same multipliers.
// Refused people come back as those before them did.
//
// # Bands
//
// A band is no sum of bands. The errors of forecasts that were made in the past, from what was known then, give three parts of a
// variance for each procedure and horizon: chance, which averages out; what is peculiar to an office, which adds up in squares; and what
// is common to all offices, which does not average out. Variances add; quantiles are taken of the sum, by the distribution of past
// errors over their standard deviation.
package forecast
