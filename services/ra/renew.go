package ra

import "shomei/pkg/vault"

// appliesAnew reports whether somebody applies at a counter. A person whose data was erased years ago gets new keys then;
// what was erased stays so.
func (a *attempt) appliesAnew() bool {
	return a.claim.GetApplicationReceived() != nil || a.claim.GetKeysGenerated() != nil
}

// renewKeys makes new keys for the erased record classes.
func (a *attempt) renewKeys() error {
	for _, class := range vault.Classes {
		if class == vault.Contact && a.personal.GetContact() == nil {
			continue
		}
		if err := a.Vault.Renew(a.subscriber, class); err != nil {
			return err
		}
	}
	return nil
}
