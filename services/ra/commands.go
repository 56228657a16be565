package ra

import (
	"context"
	"errors"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/dossier"
	"shomei/pkg/eventlog"
	"shomei/pkg/lifecycle"
	"shomei/pkg/regime"
	"shomei/pkg/vault"
)

// maySay reports whether a kind of source may claim a fact. A stolen terminal can lie about its own work only.
func maySay(role string, c *events.Claim) bool {
	switch fact := c.Fact.(type) {
	case *events.Claim_ApplicationReceived, *events.Claim_KeysGenerated, *events.Claim_CardWritten, *events.Claim_WriteFailed,
		*events.Claim_ConfirmationFailed, *events.Claim_CustodyTaken, *events.Claim_ApplicationDropped:
		return role == "counter" || role == "factory"
	case *events.Claim_PasskeyOffered:
		return role == "counter" || role == consoleRole
	case *events.Claim_ApprovalDecided:
		return role == "counter" || role == consoleRole && fact.ApprovalDecided.GetOutcome() != lifecycle.ApprovalWithdrawn
	case *events.Claim_ApprovalOpened:
		return role == consoleRole
	case *events.Claim_HistoriesJoined, *events.Claim_HandedOver, *events.Claim_PinsUnblocked, *events.Claim_PinsBlocked, *events.Claim_CardFoundNotified:
		return role == "counter"
	case *events.Claim_LossNotified:
		return role == "counter" || role == "telephone"
	case *events.Claim_RecordChangeNotified:
		return role == "counter" || role == "register"
	case *events.Claim_AuthorityOrder:
		return role == "operator"
	case *events.Claim_CertificatesTold:
		return role == "counter" || role == "factory" || role == "phone"
	case *events.Claim_PhoneApplicationReceived:
		return role == "phone" || role == "counter"
	case *events.Claim_PhoneInstalled:
		return role == "phone"
	}
	return isAboutOfficers(c) && role == "counter"
}

// command returns the command of a claim that needs nothing else to be known.
func (a *attempt) command() (lifecycle.Command, error) {
	c := a.claim
	switch fact := c.Fact.(type) {
	case *events.Claim_CardWritten:
		f := fact.CardWritten
		return lifecycle.RecordWritten{
			Procedure: c.Procedure, Obligation: ObligationOf(f.Obligation), Card: f.Card, Serials: f.Serials,
			SHA256: f.CertificatesSha256, Filed: a.filed,
		}, nil
	case *events.Claim_WriteFailed:
		f := fact.WriteFailed
		return lifecycle.RecordWriteFailed{
			Procedure: c.Procedure, Obligation: ObligationOf(f.Obligation), Card: f.Card, Stage: f.Stage, Reason: f.Reason,
			Repairable: f.Repairable, Filed: a.filed, Switches: a.law(),
		}, nil
	case *events.Claim_HandedOver:
		f := fact.HandedOver
		return lifecycle.RecordHandOver{
			Procedure: c.Procedure, Card: f.Card, Yen: f.FeeYen, PaperCopy: f.PaperCopy, Filed: a.filed, Switches: a.law(),
		}, nil
	case *events.Claim_PinsUnblocked:
		f := fact.PinsUnblocked
		return lifecycle.RecordUnblocked{
			Procedure: c.Procedure, Obligation: ObligationOf(f.Obligation), Card: f.Card, Pins: f.Pins, Filed: a.filed,
		}, nil
	case *events.Claim_PinsBlocked:
		return lifecycle.RecordPinsBlocked{Card: fact.PinsBlocked.Card, Pins: fact.PinsBlocked.Pins, Filed: a.filed}, nil
	case *events.Claim_ConfirmationFailed:
		f := fact.ConfirmationFailed
		return lifecycle.RecordConfirmationFailed{Procedure: a.claim.Procedure, Obligation: ObligationOf(f.Obligation), Reason: f.Reason, Filed: a.filed}, nil
	case *events.Claim_CustodyTaken:
		return lifecycle.RecordCustody{Procedure: c.Procedure, Card: fact.CustodyTaken.Card, Retired: fact.CustodyTaken.Retired, Filed: a.filed}, nil
	case *events.Claim_ApplicationDropped:
		return lifecycle.DropApplication{Procedure: c.Procedure, Filed: a.filed, Switches: a.law()}, nil
	case *events.Claim_LossNotified:
		by := fact.LossNotified.By
		if role := a.received.Enrolment.Role; role != "counter" {
			by = role // only a counter sees who reports, so only there the loss revokes
		}
		return lifecycle.ReportLoss{By: by, Device: fact.LossNotified.Device, Filed: a.filed, Switches: a.law()}, nil
	case *events.Claim_CardFoundNotified:
		return lifecycle.ReportFound{Card: fact.CardFoundNotified.Card, Filed: a.filed, Switches: a.law()}, nil
	case *events.Claim_AuthorityOrder:
		if a.released == nil && !a.Directory.Trial() {
			return nil, unfit("an order of the authority takes two operators: shomei report order asks with credentials, shomei approval approve approves")
		}
		f := fact.AuthorityOrder
		return lifecycle.OrderByAuthority{Serials: f.Serials, Reason: f.Reason, Filed: a.filed, Switches: a.law()}, nil
	case *events.Claim_PhoneInstalled:
		f := fact.PhoneInstalled
		return lifecycle.RecordWritten{
			Procedure: c.Procedure, Obligation: ObligationOf(f.Obligation), Device: f.Device, Serials: f.Serials,
			SHA256: f.CertificatesSha256, Filed: a.filed,
		}, nil
	}
	return nil, unfit("unknown fact %T", c.Fact)
}

// changeRecord decides on a change of the resident record.
func (a *attempt) changeRecord(ctx context.Context, f *events.RecordChangeNotified) error {
	if a.needsSecond() {
		return errNeedsSecond // before two histories are joined
	}
	record := a.personal.GetRecord()
	err := a.alias(ctx)
	other := errors.Is(err, lifecycle.ErrOtherPerson)
	if err != nil && !other {
		return err
	}
	if f.Change == events.RecordChange_RECORD_CHANGE_MOVE_OVERSEAS && record.GetBirthDate() == "" {
		known, err := a.lastRecord(ctx)
		if err != nil {
			return err
		}
		record = known // the claim names the person only
	}
	command, err := a.changeCommand(f, record)
	if err != nil {
		return err
	}
	command.OtherHistory = other
	_, err = a.update(ctx, func(eventlog.Head, *events.SubscriberState) (lifecycle.Command, error) { return command, nil })
	return err
}

// lastRecord returns the last known resident record, or the claim's own if there was none or it was erased.
func (a *attempt) lastRecord(ctx context.Context) (*events.ResidentRecord, error) {
	history, err := a.history(ctx, eventlog.Record{Kind: events.KindSubscriber, ID: a.subscriber})
	if err != nil {
		return nil, err
	}
	record, err := dossier.Of(a.Vault, a.subscriber, history).Identity()
	if errors.Is(err, dossier.ErrNotFound) || errors.Is(err, vault.ErrErased) {
		return a.personal.GetRecord(), nil
	}
	return record, err
}

func (a *attempt) changeCommand(f *events.RecordChangeNotified, record *events.ResidentRecord) (c lifecycle.ChangeRecord, err error) {
	if _, err := civil.ParsePartial(record.GetBirthDate()); err != nil {
		return c, unfit("resident record: the birth date is not a date")
	}
	// Without an office of their own, deadlines roll over the calendar of every office: weekends and holidays.
	office := regime.Office{Municipality: record.GetMunicipality()}
	if a.claim.Office != "" {
		known, err := a.Directory.Office(a.claim.Office, civil.Of(a.filed))
		if err == nil {
			office = known
		}
	}
	return lifecycle.ChangeRecord{
		Change: f.Change, CausedOn: f.CausedOn, PlannedOn: f.PlannedOn, Municipality: record.GetMunicipality(),
		KeepUsing: f.KeepUsing, StayUntil: record.GetPeriodOfStay(), Foreign: record.GetForeign(), Office: office, Filed: a.filed,
		Switches: a.law(),
	}, nil
}
