//go:build !linux

package softcard

import "net"

// quickAck has no counterpart here; vpcd then takes 40 ms a command.
func quickAck(net.Conn) {}
