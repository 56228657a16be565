package lifecycle

import (
	"crypto/sha256"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/regime"
)

// The steps of an open procedure.
const (
	stepAccepted = "accepted" // rules passed, keys to be generated
	stepKeys     = "keys"     // keys generated, certificates authorised
	stepIssued   = "issued"   // certificates signed
	stepWritten  = "written"  // card ready to be handed over
)

const (
	authorized = events.CertificateStatus_CERTIFICATE_STATUS_AUTHORIZED
	issued     = events.CertificateStatus_CERTIFICATE_STATUS_ISSUED
	valid      = events.CertificateStatus_CERTIFICATE_STATUS_VALID
	suspended  = events.CertificateStatus_CERTIFICATE_STATUS_SUSPENDED
	revoked    = events.CertificateStatus_CERTIFICATE_STATUS_REVOKED
	expired    = events.CertificateStatus_CERTIFICATE_STATUS_EXPIRED
	abandoned  = events.CertificateStatus_CERTIFICATE_STATUS_ABANDONED

	kindSign = events.CertificateKind_CERTIFICATE_KIND_SIGN
	kindAuth = events.CertificateKind_CERTIFICATE_KIND_AUTH
)

func cloneState(s *events.SubscriberState) *events.SubscriberState {
	return proto.Clone(s).(*events.SubscriberState)
}

// certificate returns the remembered certificate with a serial, on a card or a smartphone, or nil.
func certificate(s *events.SubscriberState, serial uint64) *events.Certificate {
	for _, c := range s.Certificates {
		if c.Serial == serial {
			return c
		}
	}
	return nil
}

// onCards returns the certificates on cards, held or ended. Those on smartphones are bound to them and follow them.
func onCards(s *events.SubscriberState) []*events.Certificate { return onDevice(s, "") }

// onDevice returns the certificates in force or on their way on a smartphone.
func onDevice(s *events.SubscriberState, device string) (held []*events.Certificate) {
	for _, c := range s.Certificates {
		if c.Carrier.Device() == device {
			held = append(held, c)
		}
	}
	return held
}

func hasEnded(c *events.Certificate) bool {
	return c.Status == revoked || c.Status == expired || c.Status == abandoned
}

// Live returns the certificate of a kind under a regime that is in force, suspended ones included; failing that one
// that is on its way, or nil. At most one is in force: one made by a factory to replace it comes into force when its
// card is handed over.
func Live(s *events.SubscriberState, r events.Regime, kind events.CertificateKind) *events.Certificate {
	var live *events.Certificate
	for _, c := range onCards(s) {
		if c.Kind == kind && c.Regime == r && !hasEnded(c) && (live == nil || nearer(c, live)) {
			live = c
		}
	}
	return live
}

// nearer reports whether a is closer to the holder than b: handed over, then issued, then authorised.
func nearer(a, b *events.Certificate) bool {
	inHand := func(c *events.Certificate) bool { return c.Status == valid || c.Status == suspended }
	return inHand(a) && !inHand(b) || b.Status == authorized && a.Status != authorized
}

// liveOn is Live, but ignores a certificate whose last day has passed: expiry needs no record to take effect.
func liveOn(s *events.SubscriberState, r events.Regime, kind events.CertificateKind, today civil.Date) *events.Certificate {
	c := Live(s, r, kind)
	if c == nil || day(c.LastDay).Before(today) {
		return nil
	}
	return c
}

// rememberedCommands is how many command ids the state keeps with their revisions.
const rememberedCommands = 16

func commandDigest(id string) []byte {
	sum := sha256.Sum256([]byte(id))
	return sum[:12]
}

func remember(commands []*events.RememberedCommand, id string, revision uint64) []*events.RememberedCommand {
	if id == "" {
		return commands
	}
	commands = append(commands, &events.RememberedCommand{Digest: commandDigest(id), Revision: revision})
	return commands[max(0, len(commands)-rememberedCommands):]
}

// fewestRemembered is how many command ids any state keeps, for repetitions come soon.
const fewestRemembered = 4

// stateFrame is how many bytes a stored state needs beside its own.
const stateFrame = 8

// makeRoom drops remembered commands, oldest first, from a state that would pass its limit; those are then searched for
// in the history. A full state would stop everything else from being recorded.
func makeRoom(s *events.SubscriberState) {
	for len(s.Commands) > fewestRemembered && proto.Size(s) > events.StateLimit(events.KindSubscriber)-stateFrame {
		s.Commands = s.Commands[1:]
	}
}

// OwedSince returns the revision of the commit that made an obligation, or 0 for an id not made by this package.
func OwedSince(o *events.Obligation) uint64 {
	revision, _, _ := strings.Cut(o.GetId(), ".")
	n, _ := strconv.ParseUint(revision, 10, 64) // 0 for anything else
	return n
}

func remembered(commands []*events.RememberedCommand, id string) (uint64, bool) {
	digest := commandDigest(id)
	i := slices.IndexFunc(commands, func(c *events.RememberedCommand) bool { return slices.Equal(c.Digest, digest) })
	if i < 0 {
		return 0, false
	}
	return commands[i].Revision, true
}

// day parses a civil date of the log. This package wrote it, so an unreadable one counts as absent.
func day(s string) civil.Date {
	d, err := civil.Parse(s)
	if err != nil {
		return civil.Date{}
	}
	return d
}

func lawKind(k events.CertificateKind) regime.Kind {
	if k == kindAuth {
		return regime.Auth
	}
	return regime.Sign
}

func logKind(k regime.Kind) events.CertificateKind {
	if k == regime.Auth {
		return kindAuth
	}
	return kindSign
}

func lawRegime(r events.Regime) regime.Regime {
	if r == events.Regime_REGIME_JUKI {
		return regime.Juki
	}
	return regime.MyNumber
}

func logRegime(r regime.Regime) events.Regime {
	if r == regime.Juki {
		return events.Regime_REGIME_JUKI
	}
	return events.Regime_REGIME_MYNUMBER
}

// cardRegime returns the law that governs a kind of card.
func cardRegime(k events.CardKind) regime.Regime {
	if k == events.CardKind_CARD_KIND_JUKI {
		return regime.Juki
	}
	return regime.MyNumber
}

func logReason(r regime.CRLReason) events.RevocationReason { return events.RevocationReason(r + 1) }

// CRLReason returns the RFC 5280 reason for a reason of the log.
func CRLReason(r events.RevocationReason) regime.CRLReason { return regime.CRLReason(r - 1) }

func logCandidates(v regime.Validity) []*events.Candidate {
	list := make([]*events.Candidate, len(v.Candidates))
	for i, c := range v.Candidates {
		list[i] = &events.Candidate{RuleId: c.Rule, Day: c.Day.String(), Binds: c.Rule == v.Binds}
	}
	return list
}

// CertificateStates returns what counters are told of a person's certificates: those of the card, and those on smartphones.
func CertificateStates(s *events.SubscriberState) (card, phone []*events.CertificateState) {
	for _, held := range s.GetCertificates() {
		list := &card
		if held.Carrier.Device() != "" {
			list = &phone
		}
		*list = append(*list, &events.CertificateState{
			Serial: held.Serial, Kind: held.Kind, Regime: held.Regime, Status: held.Status, LastDay: held.LastDay,
			WindowOpens: held.WindowOpens, Device: held.Carrier.Device(),
		})
	}
	return card, phone
}
