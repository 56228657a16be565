package card

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
)

// tagAlgorithm carries 07 for RSA-2048, as in PIV (SP 800-78-4 table 6-2);
// tagOperation is of our own.
const (
	tagControl   = 0xAC
	tagAlgorithm = 0x80
	tagOperation = 0x91
	algRSA2048   = 0x07
)

// GenerateControl is the data of GENERATE ASYMMETRIC KEY PAIR for an operation.
func GenerateControl(op Operation) []byte {
	inner := append([]byte{tagAlgorithm, 1, algRSA2048, tagOperation, OperationSize}, op[:]...)
	return append([]byte{tagControl, byte(len(inner))}, inner...)
}

// ParseGenerateControl reads what GenerateControl writes.
func ParseGenerateControl(data []byte) (Operation, error) {
	n := len(data) - OperationSize
	if n < 0 || !bytes.Equal(GenerateControl(Operation(data[n:])), data) {
		return Operation{}, fmt.Errorf("control template of %d bytes: %w", len(data), ErrMalformedTemplate)
	}
	return Operation(data[n:]), nil
}

// Generated is a new key pair that waits in staging.
type Generated struct {
	// PublicKey is the SubjectPublicKeyInfo in DER.
	PublicKey []byte
	// Request is a PKCS#10 request (RFC 2986) signed by the new key. Its
	// subject names card, slot and operation, nothing about the holder, so that
	// a request cannot be taken for another slot's or another attempt's.
	Request []byte
}

// GenerateStaged makes a key pair in the staging place of a slot for op and
// proves its possession. When the card holds staged keys of op already, they
// are taken, so a repeat yields the same key; keys of another operation are
// ErrForeignStaging. The live pair is not touched.
func (s *Session) GenerateStaged(slot Slot, op Operation) (Generated, error) {
	state, err := s.slotState(slot)
	if err != nil {
		return Generated{}, err
	}
	staged := state.Staged
	generate := Command{INS: 0x47, P1: 0x80, P2: byte(slot), Data: GenerateControl(op), Le: maxShortLe}
	switch {
	case staged.PublicKey != nil && staged.Operation == op:
		generate.P1, generate.Data = 0x81, nil
	case staged.PublicKey != nil:
		return Generated{}, fmt.Errorf("%s slot is staged by operation %s: %w", slot, staged.Operation, ErrForeignStaging)
	}
	tlv, err := s.send(generate)
	if err != nil {
		return Generated{}, fmt.Errorf("generating the %s key pair: %w", slot, err)
	}
	public, err := ParsePublicKey(tlv)
	if err != nil {
		return Generated{}, fmt.Errorf("generating the %s key pair: %w", slot, err)
	}
	return s.requestFor(slot, op, public)
}

func (s *Session) requestFor(slot Slot, op Operation, public *rsa.PublicKey) (Generated, error) {
	spki, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return Generated{}, fmt.Errorf("encoding the %s public key: %w", slot, err)
	}
	template := &x509.CertificateRequest{Subject: pkix.Name{
		CommonName: s.cardID, OrganizationalUnit: []string{slot.String()}, SerialNumber: op.String(),
	}, SignatureAlgorithm: x509.SHA256WithRSA}
	request, err := x509.CreateCertificateRequest(rand.Reader, template, stagedSigner{s, slot, public})
	if err != nil {
		return Generated{}, fmt.Errorf("signing the request with the new %s key: %w", slot, err)
	}
	return Generated{PublicKey: spki, Request: request}, nil
}

// stagedSigner signs with a key that is not live yet.
type stagedSigner struct {
	s      *Session
	slot   Slot
	public *rsa.PublicKey
}

func (k stagedSigner) Public() crypto.PublicKey { return k.public }

func (k stagedSigner) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	info, err := digestInfo(opts.HashFunc(), digest)
	if err != nil {
		return nil, err
	}
	return k.s.send(Command{INS: 0x2A, P1: 0x9E, P2: byte(k.slot), Data: info, Le: maxShortLe})
}

// WriteStaged writes a certificate and its CA's certificate, both DER, into the
// staging files of a slot. Repeating it writes them again from the start.
func (s *Session) WriteStaged(slot Slot, certificate, ca []byte) error {
	for _, file := range []struct {
		fid uint16
		der []byte
	}{{CertificateEF(slot), certificate}, {CAEF(slot), ca}} {
		if DERLength(file.der) != len(file.der) || len(file.der) == 0 {
			return fmt.Errorf("writing to the %s slot: %d bytes are no single DER certificate: %w", slot, len(file.der), ErrBadData)
		}
		if err := s.selectStaged(file.fid); err != nil {
			return err
		}
		if err := s.update(file.der); err != nil {
			return fmt.Errorf("writing staging file %04X: %w", StagedEF(file.fid), err)
		}
	}
	return nil
}

func (s *Session) selectStaged(live uint16) error {
	if err := s.manage(); err != nil {
		return err
	}
	if err := s.selectEF(StagedEF(live)); err != nil {
		return fmt.Errorf("selecting staging file %04X: %w", StagedEF(live), err)
	}
	return nil
}

func (s *Session) update(content []byte) error {
	for off := 0; off < len(content); off += maxShortData {
		part := content[off:min(off+maxShortData, len(content))]
		if _, err := s.send(Command{INS: 0xD6, P1: byte(off >> 8), P2: byte(off), Data: part}); err != nil {
			return fmt.Errorf("at offset %d: %w", off, err)
		}
	}
	return nil
}

// ReadBack reads the staging files of a slot and compares them with what should
// be there; a difference is ErrReadBack (figures.md 3: January 2016).
func (s *Session) ReadBack(slot Slot, certificate, ca []byte) error {
	for _, file := range []struct {
		fid  uint16
		want []byte
	}{{CertificateEF(slot), certificate}, {CAEF(slot), ca}} {
		if err := s.selectStaged(file.fid); err != nil {
			return err
		}
		got, err := s.readDER()
		if errors.Is(err, ErrNotFound) {
			return fmt.Errorf("staging file %04X: %w: %w", StagedEF(file.fid), err, ErrReadBack)
		}
		if err != nil {
			return fmt.Errorf("reading staging file %04X back: %w", StagedEF(file.fid), err)
		}
		if !bytes.Equal(got, file.want) {
			return fmt.Errorf("staging file %04X: %w", StagedEF(file.fid), ErrReadBack)
		}
	}
	return nil
}

// TestSign signs random data with the staged key and checks the signature with
// the staged certificate, read from the card.
func (s *Session) TestSign(slot Slot) error {
	if err := s.selectStaged(CertificateEF(slot)); err != nil {
		return err
	}
	der, err := s.readDER()
	if err != nil {
		return fmt.Errorf("reading the staged %s certificate: %w", slot, err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return fmt.Errorf("parsing the staged %s certificate: %w", slot, err)
	}
	data := make([]byte, 64)
	rand.Read(data)
	digest := sha256.Sum256(data)
	public, ok := cert.PublicKey.(*rsa.PublicKey)
	if !ok {
		return fmt.Errorf("the staged %s certificate holds a %T, cards have RSA keys: %w", slot, cert.PublicKey, ErrReadBack)
	}
	sig, err := stagedSigner{s, slot, public}.Sign(nil, digest[:], crypto.SHA256)
	if err != nil {
		return fmt.Errorf("test signature with the staged %s key: %w", slot, err)
	}
	if err := rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], sig); err != nil {
		return fmt.Errorf("test signature with the staged %s key: %w: %w", slot, err, ErrReadBack)
	}
	return nil
}

// Activate makes the staged keys, certificates and PINs of op live in all the
// slots at once; the old ones are gone after it. When they are live already it
// succeeds without doing anything.
func (s *Session) Activate(op Operation, slots ...Slot) error {
	inv, err := s.Inventory()
	if err != nil {
		return err
	}
	if progress := Classify(inv, Intent{CardID: s.cardID, Operation: op, Slots: wantsOf(slots)}); progress.State == Complete {
		return nil
	} else if progress.State == Foreign {
		return fmt.Errorf("activating operation %s: %s: %w", op, progress.Reason, ErrForeignStaging)
	}
	if err := s.manage(); err != nil {
		return err
	}
	if _, err := s.send(Command{INS: 0x44, P2: mask(slots)}); err != nil {
		return fmt.Errorf("activating operation %s: %w", op, err)
	}
	return nil
}

// Discard empties the staging place of the slots, whatever operation filled
// it. Live keys are not touched; repeating it succeeds.
func (s *Session) Discard(slots ...Slot) error {
	if err := s.manage(); err != nil {
		return err
	}
	if _, err := s.send(Command{INS: 0xE4, P2: mask(slots)}); err != nil {
		return fmt.Errorf("discarding staged keys: %w", err)
	}
	return nil
}

func mask(slots []Slot) (m byte) {
	for _, slot := range slots {
		m |= byte(slot)
	}
	return m
}

func wantsOf(slots []Slot) map[Slot]Wanted {
	wants := map[Slot]Wanted{}
	for _, slot := range slots {
		wants[slot] = Wanted{}
	}
	return wants
}
