package officer

import (
	"bytes"
	"encoding/base64"
	"encoding/json"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"

	"shomei/events"
)

// Verify checks that a passkey signed a challenge: with its user verified, at the site that it belongs to, and over these bytes
// (WebAuthn, 7.2). Errors: OtherBytes, OtherOrigin, Unverified, BadSignature.
func Verify(a *events.Assertion, challenge []byte, key Passkey) error {
	if !bytes.Equal(a.GetCredential(), key.Credential) {
		return UnknownKey
	}
	var said protocol.CollectedClientData
	if err := json.Unmarshal(a.GetClientData(), &said); err != nil {
		return BadSignature
	}
	signed, err := base64.RawURLEncoding.DecodeString(said.Challenge)
	switch {
	case err != nil || !bytes.Equal(signed, challenge):
		return OtherBytes
	case said.CrossOrigin || !SiteOf(said.Origin, key.RelyingParty):
		return OtherOrigin
	}
	parsed, err := parsedAssertion(a)
	if err != nil {
		return BadSignature
	}
	if flags := parsed.Response.AuthenticatorData.Flags; !flags.HasUserVerified() || !flags.HasUserPresent() {
		return Unverified
	}
	err = parsed.Verify(said.Challenge, key.RelyingParty, "", []string{said.Origin}, nil, nil, protocol.TopOriginExplicitVerificationMode, false, true, true,
		key.PublicKey, protocol.SignaturePolicy{})
	if err != nil {
		return BadSignature
	}
	return nil
}

// parsedAssertion puts an assertion into the form of the library.
func parsedAssertion(a *events.Assertion) (*protocol.ParsedCredentialAssertionData, error) {
	id := base64.RawURLEncoding.EncodeToString(a.GetCredential())
	return protocol.CredentialAssertionResponse{
		PublicKeyCredential: protocol.PublicKeyCredential{
			Credential: protocol.Credential{ID: id, Type: string(protocol.PublicKeyCredentialType)}, RawID: a.GetCredential(),
		},
		AssertionResponse: protocol.AuthenticatorAssertionResponse{
			AuthenticatorResponse: protocol.AuthenticatorResponse{ClientDataJSON: a.GetClientData()},
			AuthenticatorData:     a.GetAuthenticatorData(), Signature: a.GetSignature(),
		},
	}.Parse()
}

// CheckKey returns an error if bytes are no public key that Verify can use.
func CheckKey(publicKey []byte) error {
	_, err := webauthncose.ParsePublicKey(publicKey)
	return err
}
