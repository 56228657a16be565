package hubserver

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

// External says where a NATS server outside of this program listens and keeps its files. Paths are absolute.
type External struct {
	Host string
	Port int
	// Store holds the streams, Accounts what accounts may do.
	Store, Accounts string
	// Certificate and Key are the files of the certificate that the server shows.
	Certificate, Key string
	// Revoked are not let in.
	Revoked Revoked
}

// Conf returns the configuration of an external NATS server (nats-server -c) that serves these accounts as an embedded
// one does: every write is synced, and nobody connects without a user of one of the accounts.
func (a Accounts) Conf(e External) ([]byte, error) {
	operator, all, err := a.claims(e.Revoked)
	if err != nil {
		return nil, err
	}
	token, err := operator.Encode(a.Operator)
	if err != nil {
		return nil, fmt.Errorf("signing the NATS operator: %w", err)
	}
	text := fmt.Appendf(nil, `# NATS of a centre whose services are programs of their own. Made by shomei nats init.
server_name: shomei
listen: %q
max_payload: %d
jetstream { store_dir: %q, sync_interval: always }
tls { cert_file: %q, key_file: %q, min_version: "1.3", handshake_first: 500ms, timeout: 5 }
operator: %q
system_account: %q
resolver { type: full, dir: %q, allow_delete: false }
resolver_preload {
`, net.JoinHostPort(e.Host, strconv.Itoa(e.Port)), maxPayload, e.Store, e.Certificate, e.Key, token, operator.SystemAccount, e.Accounts)
	for _, claims := range all {
		token, err := claims.Encode(a.Operator)
		if err != nil {
			return nil, fmt.Errorf("signing account %s: %w", claims.Name, err)
		}
		text = fmt.Appendf(text, "  # %s\n  %s: %q\n", claims.Name, claims.Subject, token)
	}
	return append(text, "}\n"...), nil
}

// RevokeAt tells an external server who is revoked in the accounts that are named, over a connection of a user of the system
// account that may publish to [Accounts.ExternalMayPublish].
func (a Accounts) RevokeAt(ctx context.Context, system *nats.Conn, revoked Revoked) error {
	for _, name := range slices.Sorted(maps.Keys(revoked)) {
		claims, err := a.named(name, revoked[name])
		if err != nil {
			return err
		}
		if err := a.tell(ctx, system, claims); err != nil {
			return err
		}
	}
	return nil
}

// tell has an external server take what an account may do and whom it refuses.
func (a Accounts) tell(ctx context.Context, system *nats.Conn, claims *jwt.AccountClaims) error {
	token, err := claims.Encode(a.Operator)
	if err != nil {
		return fmt.Errorf("signing account %s: %w", claims.Name, err)
	}
	answer, err := system.RequestWithContext(ctx, claimsUpdate, []byte(token))
	if err != nil {
		return fmt.Errorf("telling the server who is revoked in account %s: %w", claims.Name, err)
	}
	var said struct {
		Data  struct{ Code int }
		Error struct{ Description string }
	}
	if err := json.Unmarshal(answer.Data, &said); err != nil || said.Data.Code != http.StatusOK {
		return fmt.Errorf("the server did not take who is revoked in account %s: %s", claims.Name, answer.Data)
	}
	return nil
}

const claimsUpdate = "$SYS.REQ.CLAIMS.UPDATE"

// ExternalMayPublish lists the subjects that RevokeAt and CrowdedAt publish to.
func (a Accounts) ExternalMayPublish() ([]string, error) {
	connections, err := a.connections()
	return []string{claimsUpdate, connections}, err
}

// connections is the subject on which the server lists the connections to the account of the counters.
func (a Accounts) connections() (string, error) {
	account, err := a.Counters.PublicKey()
	return "$SYS.REQ.ACCOUNT." + account + ".CONNZ", err
}

// CrowdedAt is [Server.Crowded] at an external server, over a connection that may publish to [Accounts.ExternalMayPublish].
func (a Accounts) CrowdedAt(ctx context.Context, system *nats.Conn, most int) (map[string]int, error) {
	subject, err := a.connections()
	if err != nil {
		return nil, err
	}
	options, err := json.Marshal(server.ConnzOptions{Username: true, Limit: 2 * maxConnections})
	if err != nil {
		return nil, err
	}
	answer, err := system.RequestWithContext(ctx, subject, options)
	if err != nil {
		return nil, fmt.Errorf("asking the server for the counters' connections: %w", err)
	}
	var said struct {
		Data server.Connz `json:"data"`
	}
	if err := json.Unmarshal(answer.Data, &said); err != nil {
		return nil, fmt.Errorf("the server's list of connections: %w", err)
	}
	return crowded(said.Data.Conns, most)
}

// Credentials returns the file with which a new user of an account signs in (nats.UserCredentials): its JWT and its seed.
func Credentials(account nkeys.KeyPair, name string, r Rights) ([]byte, error) {
	user, err := nkeys.CreateUser()
	if err != nil {
		return nil, err
	}
	defer user.Wipe()
	public, err := user.PublicKey()
	if err != nil {
		return nil, err
	}
	seed, err := user.Seed()
	if err != nil {
		return nil, err
	}
	token, err := SignUser(account, name, public, r.Of(public), 0)
	if err != nil {
		return nil, err
	}
	return jwt.FormatUserConfig(token, seed)
}
