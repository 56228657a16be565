package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"

	"github.com/spf13/pflag"
	"golang.org/x/net/netutil"

	"shomei/pkg/counterlink"
	"shomei/pkg/httpd"
	"shomei/pkg/officer"
	"shomei/pkg/ops"
)

// officeFlags say where other machines of the office reach the counter's pages.
type officeFlags struct{ listen, certificate, key string }

func (f *officeFlags) bind(flags *pflag.FlagSet) {
	flags.StringVar(&f.listen, "office-listen", "", "役所の他の端末から使うときの HOST:PORT、TLS (address for other machines of the office, by TLS)")
	flags.StringVar(&f.certificate, "certificate", "", "その証明書、PEM (its certificate for the counter's host name)")
	flags.StringVar(&f.key, "certificate-key", "", "その秘密鍵、PEM (the certificate's key)")
}

// openFromOffice bounds the connections from other machines: what works on cards goes on beside them.
const openFromOffice = 256

// open listens for other machines of the office; nil if none is to come in. It refuses what would serve pages to them without TLS or
// without passkeys of a host name of this counter's own.
func (f officeFlags) open(b counterlink.Bundle, logger *slog.Logger) (net.Listener, error) {
	if err := f.check(b); err != nil || f.listen == "" {
		return nil, err
	}
	l, err := httpd.ListenTLS(f.listen, httpd.Site{Name: b.HostName, Certificate: f.certificate, Key: f.key, Logger: logger})
	if errors.Is(err, httpd.ErrCertificate) {
		return nil, fmt.Errorf("%w: --certificate: %w", ops.ErrConfig, err)
	}
	if err != nil {
		return nil, err
	}
	return netutil.LimitListener(l, openFromOffice), nil
}

func (f officeFlags) check(b counterlink.Bundle) error {
	switch {
	case f.listen == "" && f.certificate == "" && f.key == "":
		return nil
	case f.listen == "" || f.certificate == "" || f.key == "":
		return fmt.Errorf("%w: --office-listen, --certificate and --certificate-key go together: other machines reach the pages by TLS only", errUsage)
	case len(b.Demonstration) > 0:
		return fmt.Errorf("%w: --office-listen: this bundle is a demonstration's, whose officer needs no sign-in: it stays on this machine", ops.ErrConfig)
	case b.HostName == "":
		return fmt.Errorf("%w: --office-listen: the counter is enrolled without a host name, to which its officers' passkeys would belong, so nobody could sign in; "+
			"give it one at the centre (shomei counter enrol %s --out THIS-FOLDER --host-name NAME)", ops.ErrConfig, b.Office)
	}
	if err := officer.CheckHost(b.HostName); err != nil {
		return fmt.Errorf("%w: %w", counterlink.ErrBundle, err)
	}
	return nil
}

func (f officeFlags) url(b counterlink.Bundle, l net.Listener) string {
	_, port, _ := net.SplitHostPort(l.Addr().String()) // an address that is listened on
	return "https://" + net.JoinHostPort(b.HostName, port) + "/"
}
