//go:build linux

package program

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
)

// ServeRelay is the relay's role. Each argument is LISTEN=TARGET, both host:port. It serves until
// ctx is done; the end of the process closes what is open.
func ServeRelay(ctx context.Context, args []string) error {
	for _, arg := range args {
		address, target, _ := strings.Cut(arg, "=")
		l, err := net.Listen("tcp4", address)
		if err != nil {
			return fmt.Errorf("relaying %s: %w", arg, err)
		}
		go relay(ctx, l, target)
	}
	<-ctx.Done()
	return nil
}

func relay(ctx context.Context, l net.Listener, target string) {
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer client.Close()
			server, err := new(net.Dialer).DialContext(ctx, "tcp4", target)
			if err != nil {
				return
			}
			defer server.Close()
			go pass(server, client)
			pass(client, server)
		}()
	}
}

// pass copies until the end of from and passes that on. On Linux io.Copy is splice(2).
func pass(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	_ = to.(*net.TCPConn).CloseWrite()
}
