package lifecycle

import (
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"shomei/events"
)

// ErrCardClaimed: the card is another subscriber's, or out of use.
var ErrCardClaimed = errors.New("the card is claimed by another subscriber or retired")

// ClaimCard assigns a physical card to one subscriber, before it is used. Claiming it again for the same one changes
// nothing.
func ClaimCard(raw []byte, subscriber string, kind events.CardKind) ([]*events.Event, error) {
	s := &events.CardState{}
	if err := proto.Unmarshal(raw, s); err != nil {
		return nil, fmt.Errorf("reading the state of a card: %w", err)
	}
	switch {
	case s.Subscriber == subscriber && !s.Retired:
		return nil, nil
	case s.Subscriber != "" || s.Retired:
		return nil, ErrCardClaimed
	}
	return []*events.Event{events.New(&events.CardClaimed{Subscriber: subscriber, Kind: kind})}, nil
}

// RetireCard takes a physical card out of use for good, once. Followers call it for every CardVoided and CardReturned;
// it can be repeated, so the subscriber's state owes nothing for it.
func RetireCard(raw []byte, cause string) ([]*events.Event, error) {
	s := &events.CardState{}
	if err := proto.Unmarshal(raw, s); err != nil {
		return nil, fmt.Errorf("reading the state of a card: %w", err)
	}
	if s.Retired {
		return nil, nil
	}
	return []*events.Event{events.New(&events.CardRetired{Cause: cause})}, nil
}

func evolveCard(s *events.CardState, c *events.Commit) {
	for _, e := range c.Events {
		switch b := events.BodyOf(e).(type) {
		case *events.CardClaimed:
			s.Subscriber, s.Kind = b.Subscriber, b.Kind
		case *events.CardRetired:
			s.Retired = true
		case *events.CardOpened:
			s.Opened = countOpening(s.Opened, b.Command)
		}
	}
	s.Revision, s.RecordedMs = c.Revision, recorded(c)
	s.Commands = remember(s.Commands, c.CommandId, c.Revision)
}

func evolveOffice(s *events.OfficeState, c *events.Commit) {
	for _, e := range c.Events {
		switch b := events.BodyOf(e).(type) {
		case *events.OfficeDefined:
			s.Municipality = b.Municipality
		case *events.CounterEnrolled:
			s.Counters = slices.DeleteFunc(s.Counters, func(k *events.EnrolledCounter) bool { return k.Counter == b.Counter })
			s.Counters = append(s.Counters, &events.EnrolledCounter{
				Counter: b.Counter, PublicKey: b.PublicKey, SealKey: b.SealKey, Role: b.Role, CounterCode: b.CounterCode,
			})
		case *events.CounterRetired:
			for _, k := range s.Counters {
				k.Retired = k.Retired || k.Counter == b.Counter
			}
		}
	}
	s.Revision, s.RecordedMs = c.Revision, recorded(c)
	s.Commands = remember(s.Commands, c.CommandId, c.Revision)
}

// DecodeAuthority decodes a folded authority.
func DecodeAuthority(raw []byte) (*events.AuthorityState, error) {
	s := &events.AuthorityState{}
	if err := proto.Unmarshal(raw, s); err != nil {
		return nil, fmt.Errorf("reading the state of an authority: %w", err)
	}
	return s, nil
}

// ActivateGeneration puts an authority's new key into service, once.
func ActivateGeneration(s *events.AuthorityState, g *events.GenerationActivated) []*events.Event {
	known := slices.ContainsFunc(s.Generations, func(k *events.KnownGeneration) bool { return slices.Equal(k.KeyId, g.KeyId) })
	if known {
		return nil
	}
	return []*events.Event{events.New(g)}
}

// OpenLog marks a log as simulated or real, once and for ever; asking for the other kind returns ErrSimulatedLog.
// A log of a demonstration says so beside.
func OpenLog(s *events.AuthorityState, simulated, demonstration bool, streams uint32) ([]*events.Event, error) {
	if !s.Opened {
		return []*events.Event{events.New(&events.LogOpened{Simulated: simulated, Demonstration: demonstration, Streams: streams})}, nil
	}
	if s.Simulated != simulated {
		return nil, ErrSimulatedLog
	}
	return nil, nil
}

// RecordVault records which vault belongs to the log, once; another vault is an error.
func RecordVault(s *events.AuthorityState, vault string) ([]*events.Event, error) {
	switch s.Vault {
	case "":
		return []*events.Event{events.New(&events.VaultRecorded{Vault: vault})}, nil
	case vault:
		return nil, nil
	}
	return nil, fmt.Errorf("the log belongs with vault %s, and not with %s", s.Vault, vault)
}

// ErrSimulatedLog: a log made with a settable clock was opened without one, or the other way round.
var ErrSimulatedLog = errors.New("this log was started with another kind of clock: a simulated log never serves, and a real one is never played with")

func evolveAuthority(s *events.AuthorityState, c *events.Commit) {
	for _, e := range c.Events {
		switch b := events.BodyOf(e).(type) {
		case *events.LogOpened:
			s.Opened, s.Simulated = true, b.Simulated
		case *events.BlockLeased:
			s.LastSerial = b.Last
		case *events.GenerationActivated:
			s.Generations = append(s.Generations, &events.KnownGeneration{Number: b.Number, KeyId: b.KeyId})
		case *events.CardKeyMade:
			s.CardKeys, s.CardKeyOrdered = append(s.CardKeys, b), false
		case *events.CardKeyOrdered:
			s.CardKeyOrdered = true
		case *events.CrlPublished:
			s.CrlNumber, s.CrlNextUpdateMs = max(s.CrlNumber, b.Number), b.NextUpdateMs
		case *events.CertificateFound:
			s.Found++
		case *events.FoundCertificateRevoked:
			s.FoundRevoked++
		case *events.VaultRecorded:
			s.Vault = b.Vault
		}
	}
	s.Revision, s.RecordedMs = c.Revision, recorded(c)
	s.Commands = remember(s.Commands, c.CommandId, c.Revision)
}
