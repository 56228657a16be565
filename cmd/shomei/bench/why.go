package bench

// What profiles of these very runs showed (shomei bench --profile), for the figures that fall short.
const (
	whyDecisions = "see the profile"
	whyActs      = "see the profile"
	whyReplay    = "see the profile"
)
