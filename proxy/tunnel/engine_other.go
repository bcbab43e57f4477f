//go:build !linux

package tunnel

import (
	"context"
	"net"
	"net/netip"
	"time"
)

// An Engine carries tunnels. Make it with NewEngine.
type Engine struct{ keepAlive time.Duration }

// NewEngine gives an engine whose connections send a TCP keep-alive probe after each keepAlive without a
// byte; 0: never. It is to be closed after its last tunnel has ended.
func NewEngine(keepAlive time.Duration) *Engine { return &Engine{keepAlive} }

// Listener gives l back, here.
func (*Engine) Listener(l net.Listener) (net.Listener, error) { return l, nil }

// Dial connects to an address, until deadline and while ctx lasts, from source if that is valid. The caller
// closes the connection.
func (e *Engine) Dial(ctx context.Context, deadline time.Time, source netip.Addr, to netip.AddrPort) (net.Conn, error) {
	return dialer(e.keepAlive, deadline, source).DialContext(ctx, "tcp", to.String())
}

// Start joins client and origin and returns at once. The tunnel owns both from here on and closes
// them.
func (*Engine) Start(client, origin net.Conn, opt Options) Tunnel {
	return startTwin(client, origin, opt)
}

// Close ends the engine. Tunnels that are still open go on, here.
func (*Engine) Close() {}
