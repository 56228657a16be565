package card

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
)

// SecretSize is the length of every key of this package in bytes.
const SecretSize = 32

// Secret is an AES-256 key: a card's administrative key, or a master key that such keys are derived from.
type Secret [SecretSize]byte

// derive returns size bytes derived from a key: the KDF in counter mode of NIST SP 800-108r1, 4.1, with AES-CMAC as PRF
// and a counter and length of 32 bits each.
func derive(key *Secret, label string, size int, context []byte) []byte {
	block := newAES(key)
	input := make([]byte, 4, 4+len(label)+1+len(context)+4)
	input = append(append(input, label...), 0)
	input = append(input, context...)
	input = binary.BigEndian.AppendUint32(input, uint32(size*8))
	var out []byte
	for i := uint32(1); len(out) < size; i++ {
		binary.BigEndian.PutUint32(input, i)
		out = append(out, cmac(block, input)...)
	}
	return out[:size]
}

func newAES(key *Secret) cipher.Block {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // 32 bytes are an AES-256 key
	}
	return block
}

// cmac returns the AES-CMAC of a message (NIST SP 800-38B, 6.2). Neither the standard library nor x/crypto exports one.
func cmac(block cipher.Block, message []byte) []byte {
	subkey := make([]byte, aes.BlockSize)
	block.Encrypt(subkey, subkey)
	double(subkey) // K1
	last := make([]byte, aes.BlockSize)
	whole := (max(len(message), 1) - 1) / aes.BlockSize * aes.BlockSize // bytes before the last block
	if n := copy(last, message[whole:]); n < aes.BlockSize {
		last[n] = 0x80
		double(subkey) // K2
	}
	subtle.XORBytes(last, last, subkey)
	mac := make([]byte, aes.BlockSize)
	for ; len(message) > aes.BlockSize; message = message[aes.BlockSize:] {
		subtle.XORBytes(mac, mac, message[:aes.BlockSize])
		block.Encrypt(mac, mac)
	}
	subtle.XORBytes(mac, mac, last)
	block.Encrypt(mac, mac)
	return mac
}

// double multiplies by x in GF(2^128), most significant bit first.
func double(b []byte) {
	carry := b[0] >> 7
	for i := range b[:len(b)-1] {
		b[i] = b[i]<<1 | b[i+1]>>7
	}
	b[len(b)-1] = b[len(b)-1]<<1 ^ carry*0x87
}
