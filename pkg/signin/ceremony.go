package signin

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"

	"shomei/events"
	"shomei/pkg/officer"
)

// responseLimit is far more than any authenticator sends.
const responseLimit = 64 << 10

// Options returns the JSON with which the browser asks for a passkey to sign in, or to unlock. With a code it asks for one of
// that officer's; otherwise the officer chooses one that the authenticator offers. A code without a passkey gets a
// question that no key can answer.
// The error is ErrBusy.
func (s *Site) Options(w http.ResponseWriter, r *http.Request, code string) ([]byte, error) {
	value, err := s.challenge(w, r, false)
	if err != nil {
		return nil, err
	}
	var keys []officer.Passkey
	if code != "" {
		if found, err := s.cfg.ByCode(code); err == nil {
			keys = found.Passkeys
		}
	}
	return SignOptions(value, s.cfg.RelyingParty, keys)
}

// TypedCode returns the officer's code in a form's field, empty if none was typed. The error is events.ErrOfficer.
func TypedCode(r *http.Request, field string) (string, error) {
	typed := r.PostFormValue(field)
	if strings.TrimSpace(typed) == "" {
		return "", nil
	}
	return events.ParseOfficer(typed)
}

// SignOptions returns the JSON with which the browser asks for a signature over a challenge, by one of those keys that belong
// to the relying party; without any, by a key that the authenticator offers.
func SignOptions(challenge []byte, relyingParty string, keys []officer.Passkey) ([]byte, error) {
	return json.Marshal(protocol.CredentialAssertion{Response: protocol.PublicKeyCredentialRequestOptions{
		Challenge: challenge, Timeout: int(ceremonyTime / time.Millisecond), RelyingPartyID: relyingParty,
		AllowedCredentials: described(keys, relyingParty), UserVerification: protocol.VerificationRequired,
	}})
}

// SignOptions is the function of that name for this site.
func (s *Site) SignOptions(challenge []byte, keys []officer.Passkey) ([]byte, error) {
	return SignOptions(challenge, s.cfg.RelyingParty, keys)
}

// described names the keys of a relying party that are in force.
func described(keys []officer.Passkey, relyingParty string) []protocol.CredentialDescriptor {
	var all []protocol.CredentialDescriptor
	for _, k := range keys {
		if k.RelyingParty == relyingParty && k.InForce() {
			all = append(all, protocol.CredentialDescriptor{Type: protocol.PublicKeyCredentialType, CredentialID: k.Credential})
		}
	}
	return all
}

// SignIn reads and verifies the browser's response to Options and signs its officer in, in place of whoever was; with a code,
// only that officer. The same officer's session is unlocked. The code that was meant is returned with an error, too, if it is
// an officer's. A right signature signs in however many wrong ones came before: whoever sends those must not keep anybody out. Errors: an
// officer.Reason, *TooMany, ErrBusy.
func (s *Site) SignIn(w http.ResponseWriter, r *http.Request, code string, response []byte) (Session, error) {
	a, err := ReadAssertion(response)
	if err != nil {
		return Session{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found, err := s.cfg.Find(a.GetCredential())
	if code != "" && err == nil && found.Code != code {
		err = officer.UnknownKey
	}
	if err == nil {
		err = s.verify(r, a, found)
	}
	if err != nil {
		return Session{Officer: found.Code}, s.attempts.wrong(found.Code, s.cfg.Now(), err)
	}
	s.attempts.succeeded(found.Code)
	return s.begun(w, r, Session{Officer: found.Code, Home: found.Home, Credential: a.GetCredential()})
}

// begun unlocks the browser's session if it is this officer's, and otherwise replaces it.
func (s *Site) begun(w http.ResponseWriter, r *http.Request, who Session) (Session, error) {
	former := s.browser(r)
	if former != nil && former.Officer == who.Officer && former.Home == who.Home {
		former.Locked, former.Credential, former.Used = false, who.Credential, s.cfg.Now()
		return former.Session, nil
	}
	if former != nil {
		s.drop(former)
	}
	b := &session{Session: who}
	err := s.begin(w, b)
	return b.Session, err
}

func (s *Site) verify(r *http.Request, a *events.Assertion, found officer.Officer) error {
	key, err := s.usable(found, a.GetCredential())
	if err != nil {
		return err
	}
	value, ok := s.take(r, a.GetClientData(), false)
	if !ok {
		return officer.OtherBytes
	}
	return officer.Verify(a, value, key)
}

// challenge returns a new challenge for the request's browser.
func (s *Site) challenge(w http.ResponseWriter, r *http.Request, create bool) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.browser(r)
	if b == nil {
		b = &session{}
		if err := s.begin(w, b); err != nil {
			return nil, err
		}
	}
	value := make([]byte, sha256.Size)
	rand.Read(value)
	if len(b.challenges) >= openChallenges {
		b.challenges = b.challenges[1:]
	}
	b.challenges = append(b.challenges, challenge{value, create, s.cfg.Now().Add(ceremonyTime)})
	return value, nil
}

// Answered returns the challenge that client data claim to answer; false if they are none.
func Answered(clientData []byte) ([]byte, bool) {
	var said protocol.CollectedClientData
	if err := json.Unmarshal(clientData, &said); err != nil {
		return nil, false
	}
	value, err := base64.RawURLEncoding.DecodeString(said.Challenge)
	return value, err == nil
}

// take returns the challenge that client data claim to answer, once; false if this browser has none of that kind. It is called
// with mu held.
func (s *Site) take(r *http.Request, clientData []byte, create bool) ([]byte, bool) {
	value, ok := Answered(clientData)
	b := s.browser(r)
	if !ok || b == nil {
		return nil, false
	}
	for i, c := range b.challenges {
		if bytes.Equal(c.value, value) {
			b.challenges = append(b.challenges[:i:i], b.challenges[i+1:]...)
			return value, c.create == create && !s.cfg.Now().After(c.until)
		}
	}
	return nil, false
}

// ReadAssertion reads the browser's response to SignOptions, as signin.js sends it. It verifies nothing. The error is
// officer.BadSignature.
func ReadAssertion(response []byte) (*events.Assertion, error) {
	var said protocol.CredentialAssertionResponse
	if len(response) > responseLimit || json.Unmarshal(response, &said) != nil || len(said.RawID) == 0 {
		return nil, officer.BadSignature
	}
	return &events.Assertion{
		Credential: said.RawID, AuthenticatorData: said.AssertionResponse.AuthenticatorData,
		ClientData: said.AssertionResponse.ClientDataJSON, Signature: said.AssertionResponse.Signature,
	}, nil
}

// algorithms are those of keys that officer.Verify can use.
var algorithms = []protocol.CredentialParameter{
	{Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.AlgES256},
	{Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.AlgEdDSA},
	{Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.AlgRS256},
}

// NewKeyOptions returns the JSON with which the browser makes a passkey for an officer, by code, at an office; authenticators
// that hold one of the former keys already refuse. The error is ErrBusy.
func (s *Site) NewKeyOptions(w http.ResponseWriter, r *http.Request, office, code string, former []officer.Passkey) ([]byte, error) {
	value, err := s.challenge(w, r, true)
	if err != nil {
		return nil, err
	}
	user := sha256.Sum256([]byte(s.cfg.RelyingParty + "\x00" + office + "\x00" + code))
	return json.Marshal(protocol.CredentialCreation{Response: protocol.PublicKeyCredentialCreationOptions{
		RelyingParty: protocol.RelyingPartyEntity{ID: s.cfg.RelyingParty, CredentialEntity: protocol.CredentialEntity{Name: s.cfg.Name}},
		User: protocol.UserEntity{
			ID: protocol.URLEncodedBase64(user[:]), DisplayName: code, CredentialEntity: protocol.CredentialEntity{Name: code},
		},
		Challenge: value, Parameters: algorithms, Timeout: int(ceremonyTime / time.Millisecond),
		CredentialExcludeList: described(former, s.cfg.RelyingParty),
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementPreferred, UserVerification: protocol.VerificationRequired,
		},
		Attestation: protocol.PreferNoAttestation,
	}})
}

// NewKey is a passkey that a browser has made.
type NewKey struct {
	officer.Passkey
	// AAGUID is the authenticator's model, as far as it says.
	AAGUID []byte
}

// NewKey reads and verifies the browser's response to NewKeyOptions. The error is an officer.Reason.
func (s *Site) NewKey(r *http.Request, response []byte) (NewKey, error) {
	if len(response) > responseLimit {
		return NewKey{}, officer.BadSignature
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(response)
	if err != nil {
		return NewKey{}, officer.BadSignature
	}
	said := parsed.Response.CollectedClientData
	s.mu.Lock()
	_, ok := s.take(r, parsed.Raw.AttestationResponse.ClientDataJSON, true)
	s.mu.Unlock()
	made := parsed.Response.AttestationObject.AuthData
	switch {
	case !ok:
		return NewKey{}, officer.OtherBytes
	case said.CrossOrigin || !officer.SiteOf(said.Origin, s.cfg.RelyingParty):
		return NewKey{}, officer.OtherOrigin
	case !made.Flags.HasUserVerified() || !made.Flags.HasUserPresent():
		return NewKey{}, officer.Unverified
	}
	_, err = parsed.Verify(said.Challenge, s.cfg.RelyingParty, []string{said.Origin}, nil, nil, protocol.TopOriginExplicitVerificationMode,
		false, true, true, nil, algorithms, protocol.AttestationPolicy{}, protocol.SignaturePolicy{})
	if err != nil || officer.CheckKey(made.AttData.CredentialPublicKey) != nil {
		return NewKey{}, officer.BadSignature
	}
	return NewKey{
		Passkey: officer.Passkey{
			Credential: made.AttData.CredentialID, PublicKey: made.AttData.CredentialPublicKey, RelyingParty: s.cfg.RelyingParty,
		},
		AAGUID: made.AttData.AAGUID,
	}, nil
}
