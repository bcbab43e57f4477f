package tunnel

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Listener makes a TCP listener the engine's, and so the connections that it accepts; any other, one for
// multipath TCP too, is given back as it is. The caller closes the result; l is closed.
func (e *Engine) Listener(l net.Listener) (net.Listener, error) {
	tcp, ok := l.(*net.TCPListener)
	if !ok || len(e.loops) == 0 {
		return l, nil
	}
	fd, err := duplicate(tcp)
	if err != nil {
		return nil, fmt.Errorf("listening on %v: %w", l.Addr(), err)
	}
	protocol, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PROTOCOL)
	if err != nil || protocol != unix.IPPROTO_TCP {
		_ = unix.Close(fd)
		return l, nil
	}
	if err = e.setOptions(fd); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("listening on %v: %w", l.Addr(), err)
	}
	address := tcp.Addr().(*net.TCPAddr)
	_ = l.Close() // the socket lives on
	return &listener{conn: e.conn(fd, address.AddrPort()), address: address, engine: e}, nil
}

// A listener accepts sockets without what package net would do to each of them. They inherit the
// listener's options.
type listener struct {
	conn    *Conn
	address net.Addr
	engine  *Engine
}

// Accept gives a *Conn.
func (l *listener) Accept() (net.Conn, error) {
	var from syscall.Sockaddr
	fd, err := l.conn.do(&l.conn.in, unix.EPOLLIN, "accept", func(s int) (fd int, err error) {
		for fd, err = -1, unix.ECONNABORTED; err == unix.ECONNABORTED; { // gone before it was accepted
			fd, from, err = syscall.Accept4(s, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC) // unix's asks for more
		}
		return fd, err
	})
	if err != nil {
		return nil, err
	}
	return l.engine.conn(fd, addrPort(from)), nil
}

func (l *listener) Close() error   { return l.conn.Close() }
func (l *listener) Addr() net.Addr { return l.address }

// Dial connects to an address, until deadline and while ctx lasts; from source, if that is valid, with a port that the kernel chooses when it
// knows the destination: a source address then has its ports once for each destination, rather than
// once in all. The caller closes the connection.
func (e *Engine) Dial(ctx context.Context, deadline time.Time, source netip.Addr, to netip.AddrPort) (net.Conn, error) {
	if len(e.loops) == 0 {
		return dialer(e.keepAlive, deadline, source).DialContext(ctx, "tcp", to.String())
	}
	c, err := e.socket(source, to)
	if err == nil {
		c.out.deadline = deadline
		if err = c.connect(ctx, to); err == nil {
			c.out.deadline = time.Time{}
			return c, nil
		}
		_ = c.Close()
	}
	return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: net.TCPAddrFromAddrPort(to), Err: err}
}

// socket makes a socket that can connect to an address.
func (e *Engine) socket(source netip.Addr, to netip.AddrPort) (*Conn, error) {
	family := unix.AF_INET6
	if to.Addr().Is4() {
		family = unix.AF_INET
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	if err = e.setOptions(fd); err == nil && source.IsValid() {
		err = bindLate(fd, source)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return e.conn(fd, to), nil
}

func bindLate(fd int, source netip.Addr) error {
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	sa, err := sockaddr(netip.AddrPortFrom(source, 0))
	if err != nil {
		return err
	}
	return os.NewSyscallError("bind", unix.Bind(fd, sa))
}

// connect waits until the socket is connected, or ctx ends.
func (c *Conn) connect(ctx context.Context, to netip.AddrPort) error {
	sa, err := sockaddr(to)
	if err != nil {
		return err
	}
	err = unix.Connect(c.fd, sa)
	switch err {
	case nil:
		return nil
	case unix.EINPROGRESS, unix.EINTR: // an interrupted one goes on
	default:
		return os.NewSyscallError("connect", err)
	}
	c.mu.Lock()
	err = c.watch(&c.out, unix.EPOLLOUT)
	c.mu.Unlock()
	if err != nil {
		return err
	}
	if err := c.out.wait(ctx.Done()); err != nil {
		return err
	}
	return c.connected()
}

// connected tells what came of a connection that was waited for.
func (c *Conn) connected() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fd < 0 {
		return net.ErrClosed // by the engine
	}
	errno, err := unix.GetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && errno != 0 {
		err = unix.Errno(errno)
	}
	return os.NewSyscallError("connect", err)
}

// probes is how many keep-alive probes go unanswered before a peer counts as dead.
const probes = 3

// setOptions sets what every connection has; those of a listener are inherited. What a peer does not
// acknowledge ends its connection as late as unanswered probes do, and so does a window that stays closed
// for as long: the kernel does not tell these apart (tcp(7), TCP_USER_TIMEOUT).
func (e *Engine) setOptions(fd int) error {
	seconds := int(e.keepAlive / time.Second)
	options := []struct{ level, name, value int }{
		{unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
		{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, seconds},
		{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, seconds},
		{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, probes},
		{unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 1000 * seconds * (1 + probes)},
	}
	if seconds == 0 {
		options = options[:1]
	}
	for _, o := range options {
		if err := unix.SetsockoptInt(fd, o.level, o.name, o.value); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	return nil
}

// sockaddr gives an address the system's form.
func sockaddr(a netip.AddrPort) (unix.Sockaddr, error) {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}, nil
	}
	sa := &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
	if zone := a.Addr().Zone(); zone != "" {
		i, err := net.InterfaceByName(zone)
		if err != nil {
			return nil, fmt.Errorf("finding the zone %q: %w", zone, err)
		}
		sa.ZoneId = uint32(i.Index)
	}
	return sa, nil
}

// addrPort is the reverse; a zone is a number then.
func addrPort(sa syscall.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *syscall.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *syscall.SockaddrInet6:
		a := netip.AddrFrom16(sa.Addr).Unmap()
		if sa.ZoneId != 0 {
			a = a.WithZone(strconv.Itoa(int(sa.ZoneId)))
		}
		return netip.AddrPortFrom(a, uint16(sa.Port))
	}
	return netip.AddrPort{}
}
