package ra

import "shomei/pkg/vault"

// cameBack reports whether a claim is of somebody who applies at a counter. Whose data were erased years ago is a person
// like any other then, and gets new keys; what was erased stays so.
func (a *attempt) cameBack() bool {
	return a.claim.GetApplicationReceived() != nil || a.claim.GetKeysGenerated() != nil
}

// renewKeys makes new keys for the record classes that were erased.
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
