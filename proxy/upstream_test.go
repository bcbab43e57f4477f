package proxy_test

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/sepproxy/sepproxy/proxy"
)

func exceptLoopback(c *proxy.Config) {
	c.Upstream.AllowCIDRs = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
}

// The proxy does not connect to itself, for a name that leads to it whatever is excepted.
func TestNoNameLeadsBackIntoTheProxy(t *testing.T) {
	ns := newNameServer(t, map[string][]string{"self.example": {"127.0.0.1"}})
	s := newSite(t, "", nil, resolvingWith(ns), exceptLoopback)
	port := portOf(netip.MustParseAddrPort(s.addr))
	s.setPolicy(allowing("https://self.example:" + port))
	s.answered(s.send("CONNECT self.example:"+port+" HTTP/1.1\r\nHost: x\r\n\r\n"), "403", "address_forbidden")
	s.decided("deny", "address_forbidden")
}

// When every port is taken by connections to one server, the next one fails and says why; when one
// is free again, it works.
func TestRunningOutOfSourcePorts(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	addr := origin(t, echo)
	s := newSite(t, "", map[string]string{insight: addr})
	var last *net.TCPConn
	for {
		conn, err := net.Dial("tcp", addr)
		if errors.Is(err, syscall.EADDRNOTAVAIL) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		last = conn.(*net.TCPConn)
		t.Cleanup(func() { _ = conn.Close() })
	}
	s.answered(s.send("CONNECT "+insight+":443 HTTP/1.1\r\nHost: x\r\n\r\n"), "502", "no_source_port")
	s.ended(1, "no_source_port")
	_ = last.SetLinger(0) // a reset frees the port at once
	_ = last.Close()
	_ = s.connect(insight+":443", "").Close()
	s.ended(2, "")
}

// inNamespace runs the test it is called from again, in a network namespace with loopback alone and
// few source ports. It gives true there, and false where the test is over with that.
func inNamespace(t *testing.T) bool {
	t.Helper()
	const mark = "PROXY_TEST_IN_NAMESPACE"
	if os.Getenv(mark) != "" {
		const fewPorts = "ip link set lo up && echo 40000 40009 >/proc/sys/net/ipv4/ip_local_port_range"
		if out, err := exec.Command("sh", "-c", fewPorts).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return true
	}
	if os.Geteuid() != 0 {
		t.Skip("a network namespace takes root")
	}
	cmd := exec.Command("unshare", "--net", os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), mark+"=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("in the namespace: %v\n%s", err, out)
	}
	return false
}
