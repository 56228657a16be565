//go:build !cgo

package token

import (
	"errors"

	"shomei/pkg/secret"
)

var errBuild = errors.New("this program was built without cgo, which PKCS#11 needs: build it with a C compiler")

// Open finds the key inside the token.
func Open(Config) (secret.Unlock, error) { return secret.Unlock{}, errBuild }

// Make makes the key inside the token unless it is there. It reports whether it made it.
func Make(Config) (made bool, err error) { return false, errBuild }
