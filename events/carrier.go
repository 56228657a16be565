package events

// CarrierOf is the card or the smartphone that an event names: the smartphone where it names one.
func CarrierOf(card, device string, platform PhonePlatform) *Carrier {
	if device != "" {
		return &Carrier{Kind: CarrierKind(platform), Id: device}
	}
	return &Carrier{Kind: CarrierKind_CARRIER_KIND_CARD, Id: card}
}

// Card is the card's number; empty for a smartphone.
func (c *Carrier) Card() string {
	if c.GetKind() == CarrierKind_CARRIER_KIND_CARD {
		return c.GetId()
	}
	return ""
}

// Device is the smartphone's id; empty for a card.
func (c *Carrier) Device() string {
	if c.GetKind() == CarrierKind_CARRIER_KIND_CARD {
		return ""
	}
	return c.GetId()
}

// Is reports whether both are one and the same.
func (c *Carrier) Is(other *Carrier) bool {
	return c.Card() == other.Card() && c.Device() == other.Device()
}

// Open is the procedure about a card that is under way; nil when none is.
func (s *SubscriberState) Open() *Procedure {
	return s.procedure(func(p *Procedure) bool { return p.Carrier.Device() == "" })
}

// ProcedureOf is the procedure with this id that is under way, about a card or a smartphone; nil when none is.
func (s *SubscriberState) ProcedureOf(id string) *Procedure {
	return s.procedure(func(p *Procedure) bool { return p.Id == id && id != "" })
}

func (s *SubscriberState) procedure(wanted func(*Procedure) bool) *Procedure {
	for _, p := range s.GetProcedures() {
		if wanted(p) {
			return p
		}
	}
	return nil
}
