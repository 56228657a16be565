package ra

import (
	"context"
	"errors"
	"time"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/dossier"
	"shomei/pkg/eventlog"
	"shomei/pkg/lifecycle"
	"shomei/pkg/vault"
)

// phone decides on an application about a smartphone. One from the phone is authenticated by the card's signature under
// it, one from a counter by the clerk.
func (a *attempt) phone(ctx context.Context, fact *events.PhoneApplicationReceived) error {
	asked, err := a.phoneAsked(fact)
	if err != nil {
		return err
	}
	office, err := a.Directory.Office(a.claim.Office, civil.Of(a.filed))
	if err != nil {
		return unfit("office: %v", err)
	}
	return a.withKeys(ctx, asked.Keys, func(made *generatedKeys, history []eventlog.Record, h eventlog.Head, state *events.SubscriberState) (lifecycle.Command, error) {
		c := lifecycle.ApplyPhone{
			Procedure: asked.Procedure, Operation: asked.Operation, Device: asked.Device, Platform: asked.Platform, Keys: made.keys,
			Claim: a.received.Signed, OfficeID: a.claim.Office, Counter: a.claim.Counter, Office: office, Filed: a.filed,
			Switches: a.law(),
		}
		if c.Signing, err = a.signing(nil, made, h.Now); err != nil || len(fact.Proof) == 0 {
			return c, err
		}
		c.Made = time.UnixMilli(asked.MadeMs)
		c.ProvedBy, err = a.proved(fact, state, history)
		return c, err
	})
}

// phoneAsked parses and checks the application. A counter brings neither proof nor keys; a phone must bring a proof.
func (a *attempt) phoneAsked(fact *events.PhoneApplicationReceived) (*events.PhoneApplication, error) {
	asked, err := events.ParsePhone(fact)
	if err != nil {
		return nil, unfit("%v", err)
	}
	issues := asked.Operation == events.Operation_OPERATION_PHONE_ISSUE
	switch fromPhone := a.received.Enrolment.Role == "phone"; {
	case !events.ValidID(asked.Device):
		return nil, unfit("device: not a smartphone's id")
	case asked.Procedure != a.claim.Procedure || asked.Procedure == "":
		return nil, unfit("the application is for another procedure than its claim")
	case !issues && asked.Operation != events.Operation_OPERATION_PHONE_RELEASE && asked.Operation != events.Operation_OPERATION_PHONE_REVOKE:
		return nil, unfit("operation %v does not apply to a smartphone", asked.Operation)
	case issues != (len(asked.Keys) > 0):
		return nil, unfit("%d keys for %v", len(asked.Keys), asked.Operation)
	case issues && asked.Platform == events.PhonePlatform_PHONE_PLATFORM_UNSPECIFIED:
		return nil, unfit("unknown smartphone platform")
	case fromPhone && (asked.MadeMs <= 0 || len(fact.Proof) == 0):
		return nil, unfit("an application from a smartphone without a proof or its time")
	case !fromPhone && (issues || len(fact.Proof) > 0):
		return nil, unfit("a counter passes on what only a smartphone can ask")
	}
	return asked, nil
}

// proved returns the serial of the held signature certificate whose key signed the application. It returns 0 if none is
// held, which the rules refuse; a signature by any other key is forged.
func (a *attempt) proved(fact *events.PhoneApplicationReceived, state *events.SubscriberState, history []eventlog.Record) (uint64, error) {
	held := lifecycle.Live(state, events.Regime_REGIME_MYNUMBER, events.CertificateKind_CERTIFICATE_KIND_SIGN)
	if held == nil || held.Status == events.CertificateStatus_CERTIFICATE_STATUS_AUTHORIZED {
		return 0, nil
	}
	der, err := dossier.Of(a.Vault, a.subscriber, history).Certificate(held.Serial)
	if errors.Is(err, dossier.ErrNotFound) || errors.Is(err, vault.ErrErased) {
		return 0, unfit("the certificate that should have signed can't be read: %v", err)
	}
	if err != nil {
		return 0, err
	}
	if err := events.VerifyPhone(fact, der); err != nil {
		return 0, unfit("%v", err)
	}
	return held.Serial, nil
}
