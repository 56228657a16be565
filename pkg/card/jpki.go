package card

import (
	"bytes"
	"crypto"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
)

// The elementary files of the JPKI application (card.md 2).
const (
	EFSignCertificate uint16 = 0x0001
	EFSignCA          uint16 = 0x0002
	EFLabel           uint16 = 0x0006
	EFAuthCertificate uint16 = 0x000A
	EFAuthCA          uint16 = 0x000B
	EFAuthKey         uint16 = 0x0017
	EFAuthPIN         uint16 = 0x0018
	EFSignKey         uint16 = 0x001A
	EFSignPIN         uint16 = 0x001B
)

// stagedBits turns the name of a live file into that of its staging file.
const stagedBits uint16 = 0xA000

// Application identifiers (card.md 1 and the package's documentation).
var (
	AIDJPKI       = []byte{0xD3, 0x92, 0xF0, 0x00, 0x26, 0x01, 0x00, 0x00, 0x00, 0x01}
	AIDManagement = []byte{0xF0, 'S', 'H', 'O', 'M', 'E', 'I', 0x01}
)

// CertificateEF returns the file of a slot's certificate.
func CertificateEF(s Slot) uint16 { return pick(s, EFAuthCertificate, EFSignCertificate) }

// CAEF returns the file of the certificate of the slot's CA.
func CAEF(s Slot) uint16 { return pick(s, EFAuthCA, EFSignCA) }

// PINEF returns the file of a slot's PIN.
func PINEF(s Slot) uint16 { return pick(s, EFAuthPIN, EFSignPIN) }

// KeyEF returns the file of a slot's private key.
func KeyEF(s Slot) uint16 { return pick(s, EFAuthKey, EFSignKey) }

// StagedEF returns the staging file that ACTIVATE puts in place of a live one.
func StagedEF(live uint16) uint16 { return stagedBits | live }

func pick(s Slot, auth, sign uint16) uint16 {
	if s == Auth {
		return auth
	}
	return sign
}

// Session is a conversation with the one card behind a Transmitter. It is not safe for concurrent use, and ends when
// the card is removed: make a new one for the next card.
type Session struct {
	t        Transmitter
	selected []byte // AID of the current application; nil if unknown
	open     Opener
	cardID   string
	admin    bool     // MUTUAL AUTHENTICATE has succeeded since the application was selected
	next     *NextKey // received with that
}

// NewSession returns a Session; nothing is sent yet.
func NewSession(t Transmitter) *Session { return &Session{t: t} }

func (s *Session) send(c Command) ([]byte, error) {
	data, err := Send(s.t, c)
	if errors.Is(err, ErrRemoved) {
		s.selected, s.admin = nil, false
	}
	return data, err
}

// enter selects an application unless it is selected already: selecting again
// would clear the security status.
func (s *Session) enter(aid []byte) error {
	if bytes.Equal(s.selected, aid) {
		return nil
	}
	s.selected, s.admin = nil, false
	if _, err := s.send(Command{INS: 0xA4, P1: 0x04, P2: 0x0C, Data: aid}); err != nil {
		return err
	}
	s.selected = aid
	return nil
}

func (s *Session) selectEF(fid uint16) error {
	_, err := s.send(Command{INS: 0xA4, P1: 0x02, P2: 0x0C, Data: []byte{byte(fid >> 8), byte(fid)}})
	return err
}

// jpki selects the JPKI application and one of its files.
func (s *Session) jpki(fid uint16) error {
	if err := s.enter(AIDJPKI); err != nil {
		return fmt.Errorf("selecting the JPKI application: %w", err)
	}
	return s.selectEF(fid)
}

// Logout clears the security status of the card, the way OpenSC does.
func (s *Session) Logout() error {
	s.selected = nil
	return s.enter(AIDJPKI)
}

// read returns the first n bytes of the selected file: 256 at a time, the last Le exact (card.md 3).
func (s *Session) read(n int) ([]byte, error) {
	out := make([]byte, 0, n)
	for len(out) < n {
		off := len(out)
		part, err := s.send(Command{INS: 0xB0, P1: byte(off >> 8), P2: byte(off), Le: min(maxShortLe, n-off)})
		if err != nil {
			return nil, fmt.Errorf("reading at offset %d: %w", off, err)
		}
		if len(part) == 0 {
			return nil, fmt.Errorf("reading at offset %d: the file ends before its %d bytes: %w", off, n, ErrNotFound)
		}
		out = append(out, part...)
	}
	return out[:n], nil
}

// readDER reads one DER value of the long form 30 82 hh ll from the selected file. The error is ErrNotFound if there is
// none.
func (s *Session) readDER() ([]byte, error) {
	head, err := s.read(derHeader)
	if err != nil {
		return nil, err
	}
	n := DERLength(head)
	if n == 0 {
		return nil, fmt.Errorf("the file begins with %X, which is not a certificate: %w", head, ErrNotFound)
	}
	return s.read(n)
}

const derHeader = 4

// DERLength returns the total length of the DER value that starts with head, or 0 if head is not the 30 82 hh ll with
// which card software expects every certificate to begin (card.md 4).
func DERLength(head []byte) int {
	if len(head) < derHeader || head[0] != 0x30 || head[1] != 0x82 {
		return 0
	}
	return derHeader + int(head[2])<<8 + int(head[3])
}

// Certificate reads the DER certificate of a slot. The signature certificate holds personal data and requires the
// signature PIN first (ErrSecurityNotSatisfied).
func (s *Session) Certificate(slot Slot) ([]byte, error) {
	return s.certificateFile(slot, CertificateEF(slot), "certificate")
}

// CACertificate reads the DER certificate of the CA that issued a slot's
// certificate; no PIN is needed.
func (s *Session) CACertificate(slot Slot) ([]byte, error) {
	return s.certificateFile(slot, CAEF(slot), "CA certificate")
}

func (s *Session) certificateFile(slot Slot, fid uint16, what string) ([]byte, error) {
	if err := s.jpki(fid); err != nil {
		return nil, fmt.Errorf("selecting the %s %s: %w", slot, what, err)
	}
	der, err := s.readDER()
	if err != nil {
		return nil, fmt.Errorf("reading the %s %s: %w", slot, what, err)
	}
	return der, nil
}

// Tries returns how many tries a slot's PIN has left. It spends none.
func (s *Session) Tries(slot Slot) (int, error) {
	if err := s.jpki(PINEF(slot)); err != nil {
		return 0, fmt.Errorf("selecting the %s PIN: %w", slot, err)
	}
	_, err := s.send(Command{INS: 0x20, P2: 0x80})
	if pin, ok := errors.AsType[*PINError](err); ok {
		return pin.Left, nil
	}
	if err == nil {
		err = fmt.Errorf("status 9000 in place of 63Cx: %w", ErrForeignCard)
	}
	return 0, fmt.Errorf("asking for the tries left of the %s PIN: %w", slot, err)
}

// Verify presents a PIN once, without any retry. A wrong one is a *PINError. Callers call Tries first (card.md 3) and
// clear pin.
func (s *Session) Verify(slot Slot, pin []byte) error {
	if err := s.jpki(PINEF(slot)); err != nil {
		return fmt.Errorf("selecting the %s PIN: %w", slot, err)
	}
	if _, err := s.send(Command{INS: 0x20, P2: 0x80, Data: pin}); err != nil {
		return fmt.Errorf("verifying the %s PIN: %w", slot, err)
	}
	return nil
}

// ChangePIN verifies the old PIN and sets a new one. A wrong old PIN is a
// *PINError and spends a try.
func (s *Session) ChangePIN(slot Slot, old, pin []byte) error {
	if err := s.Verify(slot, old); err != nil {
		return err
	}
	if _, err := s.send(Command{INS: 0x24, P1: 0x01, P2: 0x80, Data: pin}); err != nil {
		return fmt.Errorf("changing the %s PIN: %w", slot, err)
	}
	return nil
}

// SignDigest signs a digest with a slot's live key (RSASSA-PKCS1-v1_5, RFC 8017 8.2); the slot's PIN must have been
// verified in this session since the last Logout.
func (s *Session) SignDigest(slot Slot, hash crypto.Hash, digest []byte) ([]byte, error) {
	info, err := digestInfo(hash, digest)
	if err != nil {
		return nil, err
	}
	if err := s.jpki(KeyEF(slot)); err != nil {
		return nil, fmt.Errorf("selecting the %s key: %w", slot, err)
	}
	sig, err := s.send(Command{CLA: 0x80, INS: 0x2A, P2: 0x80, Data: info, Le: maxShortLe})
	if err != nil {
		return nil, fmt.Errorf("signing with the %s key: %w", slot, err)
	}
	return sig, nil
}

var digestOIDs = map[crypto.Hash]asn1.ObjectIdentifier{
	crypto.SHA256: {2, 16, 840, 1, 101, 3, 4, 2, 1},
	crypto.SHA384: {2, 16, 840, 1, 101, 3, 4, 2, 2},
	crypto.SHA512: {2, 16, 840, 1, 101, 3, 4, 2, 3},
}

// digestInfo wraps a digest as the card expects it (RFC 8017, 9.2).
func digestInfo(hash crypto.Hash, digest []byte) ([]byte, error) {
	oid, ok := digestOIDs[hash]
	if !ok || len(digest) != hash.Size() {
		return nil, fmt.Errorf("a card signs SHA-256, SHA-384 or SHA-512 digests, not %d bytes of hash %d", len(digest), hash)
	}
	return asn1.Marshal(struct {
		Algorithm pkix.AlgorithmIdentifier
		Digest    []byte
	}{pkix.AlgorithmIdentifier{Algorithm: oid, Parameters: asn1.NullRawValue}, digest})
}
