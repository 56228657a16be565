package hub

import (
	"context"

	"shomei/events"
	"shomei/pkg/eventlog"
	"shomei/services/register"
)

// openRegister opens the gateway for municipalities' resident registers.
func (p *Parts) openRegister(context.Context) (err error) {
	p.Register, err = register.New(register.Config{
		Conn: p.conn, Log: p.Log, Directory: p.Directory, Key: p.keys.gateway.sign, SealKey: p.keys.gateway.seal, HubSealKey: p.keys.sealPublic,
		Subscriber: p.SubscriberID, Clock: p.Clock.Now, ClockEvidence: p.clockEvidence, Logger: p.Logger,
	})
	return err
}

// enrolGateway enrols the gateway as a source of claims at the office of a register, unless it is one there with its key of
// today.
func (p *Parts) enrolGateway(ctx context.Context, env eventlog.Envelope, office, role string) error {
	if role != register.Role {
		return nil
	}
	if p.keys.gateway.public == "" {
		return refuse("this centre was separated before there was a gateway for registers, which it can't have yet")
	}
	source := register.Source(office)
	if known, ok := p.Directory.Counter(source); ok && known.PublicKey == p.keys.gateway.public {
		return nil
	}
	return p.recordOffice(ctx, env, office, &events.CounterEnrolled{
		Counter: source, PublicKey: p.keys.gateway.public, SealKey: p.keys.gateway.sealPublic.Bytes(), Role: role,
	})
}
