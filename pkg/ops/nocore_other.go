//go:build !linux

package ops

// ForbidCores does nothing here: the service manager must limit core files.
func ForbidCores() error { return nil }
