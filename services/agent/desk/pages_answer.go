package desk

import (
	"slices"

	"shomei/events"
	"shomei/pkg/page"
	"shomei/pkg/page/actpage"
	"shomei/pkg/regime"
	"shomei/services/agent"
)

// openOf returns the page of another open procedure of the same person at this counter, or "".
func (d *Desk) openOf(s agent.Status) string {
	over := []agent.Stage{agent.StageRefused, agent.StageHandedOver, agent.StageDropped}
	for _, other := range d.Counter.Procedures() {
		sameHolder := other.Subscriber != "" && other.Subscriber == s.Subscriber && other.Procedure != s.Procedure
		if sameHolder && other.Application != nil && !regime.HandlingOf(other.Application.GetOperation()).Settled && !slices.Contains(over, other.Stage) {
			return "/procedures/" + other.Procedure
		}
	}
	return ""
}

// heldStates lists the certificates that are still of use to the holder.
var heldStates = map[events.CertificateStatus]string{
	events.CertificateStatus_CERTIFICATE_STATUS_AUTHORIZED: "authorized", events.CertificateStatus_CERTIFICATE_STATUS_ISSUED: "issued",
	events.CertificateStatus_CERTIFICATE_STATUS_VALID: "valid", events.CertificateStatus_CERTIFICATE_STATUS_SUSPENDED: "suspended",
}

// heldTable lists the person's certificates: until when they last, and from when they can be renewed. It is nil if
// there are none.
func (d *Desk) heldTable(a *events.Answer, lang page.Language) *page.Table {
	say := func(key string) string { return d.pages.Say(lang, key) }
	table := page.Table{Caption: say("held.title"), Columns: []page.Column{
		{Label: say("ending.what")}, {Label: say("held.status"), Short: true}, {Label: say("held.last"), Short: true}, {Label: say("held.opens"), Short: true},
	}}
	for _, c := range a.GetCertificates() {
		if state, held := heldStates[c.GetStatus()]; held {
			table.Rows = append(table.Rows, []page.Cell{
				{Text: say("ending.target." + nameOf(kinds, c.GetKind()))},
				{Text: say("held." + state)},
				{Text: actpage.Day(lang, c.GetLastDay())},
				{Text: actpage.Day(lang, c.GetWindowOpens())},
			})
		}
	}
	if len(table.Rows) == 0 {
		return nil
	}
	return &table
}

func (d *Desk) offer(a *events.Answer, lang page.Language) *offer {
	if a.GetAlternative() == events.Operation_OPERATION_UNSPECIFIED {
		return nil
	}
	word := nameOf(operations, a.GetAlternative())
	return &offer{d.pages.Say(lang, "operation."+word), "/apply?operation=" + word, d.plannedTables(a.GetAlternativePlanned(), lang)}
}

func (d *Desk) plannedTables(planned []*events.PlannedCertificate, lang page.Language) []page.Table {
	var tables []page.Table
	for _, p := range planned {
		caption := d.pages.Say(lang, "planned."+nameOf(kinds, p.GetKind()), actpage.Day(lang, p.GetLastDay()))
		tables = append(tables, d.candidateTable(caption, p.GetCandidates(), lang))
	}
	return tables
}

// candidateTable shows every candidate for a last day and the one that binds (law.md 3.2).
func (d *Desk) candidateTable(caption string, candidates []*events.Candidate, lang page.Language) page.Table {
	say := func(key string) string { return d.pages.Say(lang, key) }
	table := page.Table{Caption: caption, Empty: say("planned.none"), Columns: []page.Column{
		{Label: say("planned.day"), Short: true}, {Label: say("planned.binds"), Short: true}, {Label: say("planned.rule")},
	}}
	for _, c := range candidates {
		binds := ""
		if c.GetBinds() {
			binds = say("planned.this")
		}
		table.Rows = append(table.Rows, []page.Cell{{Text: actpage.Day(lang, c.GetDay())}, {Text: binds}, {Text: ruleText(lang, c.GetRuleId())}})
	}
	return table
}

func (d *Desk) feeTable(items []*events.FeeItem, lang page.Language) page.Table {
	say := func(key string, args ...any) string { return d.pages.Say(lang, key, args...) }
	table := page.Table{Caption: say("fee.title"), Columns: []page.Column{{Label: say("fee.why")}, {Label: say("fee.yen"), Numeric: true}}}
	for _, item := range items {
		table.Rows = append(table.Rows, []page.Cell{{Text: ruleText(lang, item.GetRuleId())}, {Text: say("fee.amount", item.GetYen())}})
	}
	return table
}
