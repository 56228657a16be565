package card

import (
	"crypto/aes"
	"encoding/hex"
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The examples of NIST SP 800-38B for AES-128 and AES-256.
func TestCMACByTheExamplesOfNIST(t *testing.T) {
	const message = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51" +
		"30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
	for key, rows := range map[string]map[int]string{
		"2b7e151628aed2a6abf7158809cf4f3c": {
			0: "bb1d6929e95937287fa37d129b756746", 16: "070a16b46b4d4144f79bdd9dd04a287c",
			40: "dfa66747de9ae63030ca32611497c827", 64: "51f0bebf7e3b9d92fc49741779363cfe",
		},
		"603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4": {
			0: "028962f61b7bf89efc6b551f4667d983", 16: "28a7023f452e8f82bd4bf28d8c37c35c",
			40: "aaf3d8f1de5640c232f5b169b9c911e6", 64: "e1992190549f6ed5696a2c056c315410",
		},
	} {
		block, err := aes.NewCipher(unhex(t, key))
		if err != nil {
			t.Fatal(err)
		}
		for n, want := range rows {
			if got := hex.EncodeToString(cmac(block, unhex(t, message)[:n])); got != want {
				t.Errorf("AES-%d, %d bytes: %s, want %s", len(key)*4, n, got, want)
			}
		}
	}
}

// OpenSSL derives the same keys as we do, for lengths below, at and above the PRF's.
func TestDeriveAsOpenSSLDoes(t *testing.T) {
	key := Secret(unhex(t, "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"))
	for _, size := range []int{8, 16, 32, 40} {
		for _, context := range []string{"C", "CARD-00000000001", strings.Repeat("x", 70)} {
			ours := derive(&key, "shomei card key", size, []byte(context))
			command := exec.Command("openssl", "kdf", "-keylen", fmt.Sprint(size), "-kdfopt", "mac:CMAC", "-kdfopt", "cipher:AES-256-CBC",
				"-kdfopt", "hexkey:"+hex.EncodeToString(key[:]), "-kdfopt", "salt:shomei card key", "-kdfopt", "info:"+context, "KBKDF")
			out, err := command.CombinedOutput()
			if err != nil {
				t.Fatalf("openssl kdf: %v: %s", err, out)
			}
			theirs := strings.ToLower(strings.ReplaceAll(strings.TrimSpace(string(out)), ":", ""))
			if hex.EncodeToString(ours) != theirs {
				t.Errorf("%d bytes, context %q: %x, openssl says %s", size, context, ours, theirs)
			}
		}
	}
}
