// Package card speaks to the smart cards that carry the certificates, in
// APDUs (ISO 7816-4, -8 and -9).
//
// Two applications matter. The JPKI application (card.md 1, 2, 3) is the one
// every reader knows: certificates, PINs, signatures. A [Session] reads it on
// the juki card (one certificate, for signatures) and on the My Number card
// (signature and authentication). The commands that write a real card are not
// public, so writing goes through an application of our own, the management
// application, which only Shomei's software card has.
//
// # The management application
//
// AID F0 53 48 4F 4D 45 49 01: "SHOMEI" in the range that ISO 7816-4 leaves to
// unregistered providers. Selecting it, like selecting any application, clears
// every security status. Keys and PINs are named by a slot number: 01 for
// authentication (利用者証明用), 02 for the signature (署名用); a mask of slots
// is the sum of them.
//
//	00 A4 04 0C 08 <AID>               SELECT
//	00 CA 01 01 00                     GET DATA, identity: 80 card id, 81 kind (01 juki, 02 My Number),
//	                                   82 life cycle (03 initialised, 05 operational, 0F terminated),
//	                                   83 last day of the card, YYYYMMDD
//	00 CA 01 02 00                     GET DATA, the name of the administrative key that the card holds (KeyName)
//	00 84 00 00 10                     GET CHALLENGE: 16 bytes RC
//	00 82 00 01 21 <RH> <rights> <host proof> 10
//	                                   MUTUAL AUTHENTICATE: RH is 16 bytes of the host's, rights one byte (Rights);
//	                                   answer: the card's proof. Both proofs have 16 bytes and are derived from the
//	                                   card's own administrative key (Exchange)
//
// Everything below asks for that authentication first, with the right to it, and answers 6982 without:
//
//	00 D8 01 00 <Lc> <name> <wrapped>  PUT KEY: the next administrative key under the present one; the card takes key
//	                                   and name together or neither. Answer: 16 bytes derived from the new key
//	00 CA 02 <slot> 00                 GET DATA, one slot: 81 SHA-256 of the live public key, 82 of the live
//	                                   certificate, 83 operation that made them, 84 SHA-256 of the staged public
//	                                   key, 85 of the staged certificate, 86 of the staged CA certificate,
//	                                   87 operation that staged them, 88 a staged PIN is there
//	00 47 80 <slot> 15 AC 13 80 01 07 91 0E <operation> 00
//	                                   GENERATE ASYMMETRIC KEY PAIR, RSA-2048, into the staging place of the slot;
//	                                   what was staged there is gone. Answer 7F49 {81 modulus, 82 exponent}
//	00 47 81 <slot> 00                 the staged public key once more
//	00 2A 9E <slot> <DigestInfo> 00    COMPUTE DIGITAL SIGNATURE with the staged key
//	00 A4 02 0C 02 <staging EF>        SELECT EF: A001 signature certificate, A002 its CA, A00A authentication
//	                                   certificate, A00B its CA
//	00 D6 <offset> <data>              UPDATE BINARY; offset 0 empties the file first; no gaps
//	00 B0 <offset> <Le>                READ BINARY
//	00 2C 02 <slot> <PIN>              RESET RETRY COUNTER with a new PIN, at once (unblocking)
//	00 2C 02 <80+slot> <PIN>           a new PIN into staging, in force from ACTIVATE on
//	00 44 00 <mask>                    ACTIVATE: staging becomes live for all slots of the mask or for none. 6985
//	                                   unless each has a key, a whole certificate of that very key and a whole CA
//	00 E4 00 <mask>                    DELETE: staging is emptied
//	00 DA 01 83 08 <YYYYMMDD>          PUT DATA: last day of the card, only while initialised
//	00 44 01 00                        ACTIVATE the card: initialised becomes operational; 6985 while a PIN is unset
//	                                   or the administrative key is still the factory's
//	00 FE 00 00                        TERMINATE CARD USAGE: keys, certificates and PINs are gone; repeating is 9000
//
// The old key pair, certificates and PIN stay live and usable until the one
// ACTIVATE that replaces them (card.md 6). An operation
// is 14 bytes taken from the obligation's id: a card that was torn away in the
// middle tells by it whose half-done work it holds ([Classify]).
//
// # Administrative keys
//
// A card has an administrative key of its own, diversified from a master key
// that the centre alone holds; at a counter the centre answers the card's
// challenge ([Opener]), for one set of commands. A card from the factory has a
// transport key, sealed to the centre in the key's name; it is replaced before
// the card is taken into use. deploy/card-keys.md is the protocol, with test
// vectors.
//
// There is no secure messaging: the line between the agent and the reader is
// trusted, as it is for the PIN of a real card.
package card
