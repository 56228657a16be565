// Package token unlocks a folder of keys by a key inside a PKCS#11 token: a hardware security module, a smart card, or
// SoftHSM2. The key never leaves the token.
package token

// Config says which key, in which token. All fields are required.
type Config struct {
	// Module is the token's library, Token its label, Key the label of the key.
	Module, Token, Key string
	PIN                string
}
