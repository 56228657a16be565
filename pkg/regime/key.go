package regime

// Minimum lengths of an RSA modulus in bits (law.md 5.7).
const (
	jukiKeyBits     = 1024
	myNumberKeyBits = 2048
)

// KeyLength judges the length, in bits, of the RSA key of a certificate to be issued (Reg2013 Art 2; Reg2016).
func KeyLength(r Regime, bits int) Ruling {
	least, rule := myNumberKeyBits, keyLength
	if r == Juki {
		least, rule = jukiKeyBits, jukiKeyLength
	}
	if bits < least {
		return Ruling{Refused: []ID{rule}}
	}
	return Ruling{Applied: []ID{rule}}
}
