// Package vaultlink is the wire between the vault and the services that have it seal and open personal data, both ends of
// it (events/vault.proto).
//
// A request goes to shomei.vault.<verb>. What is asked is sealed to the vault's HPKE key (RFC 9180) and signed with the
// key by which the service writes the log; NATS sees who asks and when. The vault takes each request once and within a
// minute, knows the asker's role by the signature alone, and does what [Rights] allows that role. The answer is sealed to
// a key made for the request and proves that its sender could open the request, so whoever controls NATS can withhold
// answers, and make none.
//
// [Client] has the methods of a vault.Vault that services call; [Server] answers for one.
package vaultlink
