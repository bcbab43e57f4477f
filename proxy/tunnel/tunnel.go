// Package tunnel carries bytes between two connections, both ways and untouched, and counts them.
//
// It knows nothing of HTTP, policy or audit: it is handed two connections and says, once, how it
// went. Each direction ends by itself (half-close, RFC 9110 §9.3.6); a reset on one side is passed
// on as a reset; a tunnel in which nothing moves for too long, or that is aborted, ends at once.
//
// There are two ways to do that, and one set of tests for both. On Linux an Engine waits for
// thousands of TCP connections in a few goroutines (engine_linux.go, loop_linux.go): it accepts and
// dials them (open_linux.go, conn_linux.go) and joins them to tunnels (joint_linux.go, flow_linux.go,
// pipe_linux.go). Everywhere else, and for connections that are more than a socket, two goroutines
// copy (twin.go, reader.go).
package tunnel

import "time"

// A Cause is why a tunnel ended.
type Cause int

// The causes.
const (
	Ended         Cause = iota // both directions came to their end
	ClientReset                // the client's side failed
	UpstreamReset              // the origin's side failed
	Idle                       // nothing moved for Options.Idle
	Aborted                    // Abort was called
)

// A Result is how a tunnel went. A byte counts when it was handed to the receiving side.
type Result struct {
	Cause    Cause
	Sent     int64 // bytes from client to origin, early ones included
	Received int64 // bytes from origin to client
}

// Options of a tunnel.
type Options struct {
	// Early is what the client already sent after its CONNECT; it reaches the origin first. The tunnel
	// does not keep it: it is the caller's again when Start returns.
	Early []byte
	// Idle ends a tunnel in which nothing moved for this long, or up to an eighth of it and at most
	// five seconds longer; zero: never.
	Idle time.Duration
	// Moved, if not nil, is called with the bytes of each piece that moved. It must neither block nor
	// abort the tunnel.
	Moved func(sent, received int)
	// Done is called exactly once, after both connections are closed. It must neither block, as other
	// tunnels wait for it, nor call the tunnel. It must not be nil.
	Done func(Result)
}

// A Tunnel is two connections joined. Engine.Start makes it.
type Tunnel interface {
	// Abort ends the tunnel at once, resetting both sides. It may be called at any time, from
	// anywhere but Moved, again too.
	Abort()
}

// pieceSize is how much one read takes at most, in bytes.
const pieceSize = 64 << 10
