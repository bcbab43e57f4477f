//go:build !linux

package tunnel

import "net"

// An Engine carries tunnels. Make it with NewEngine.
type Engine struct{}

// NewEngine gives an engine. It is to be closed after its last tunnel has ended.
func NewEngine() *Engine { return &Engine{} }

// Start joins client and origin and returns at once. The tunnel owns both from here on and closes
// them.
func (*Engine) Start(client, origin net.Conn, opt Options) Tunnel {
	return startTwin(client, origin, opt)
}

// Close ends the engine. Tunnels that are still open go on, here.
func (*Engine) Close() {}
