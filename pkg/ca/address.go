package ca

import "fmt"

// repository is where the certificates made here say that lists and authorities' certificates are served.
const repository = "http://repository.shomei.example/"

// Name returns the generation's name in files and addresses: "sign-03", "juki-12-01".
func (g *Generation) Name() string {
	if g.Kind == Juki {
		return fmt.Sprintf("%s-%s-%02d", g.Kind, g.Prefecture.Code, g.Number)
	}
	return fmt.Sprintf("%s-%02d", g.Kind, g.Number)
}

// ListFile returns the last part of the address of the generation's revocation list.
func (g *Generation) ListFile() string { return g.Name() + ".crl" }

// CertificateFile returns the last part of the address of the generation's own certificate.
func (g *Generation) CertificateFile() string { return g.Name() + ".cer" }
