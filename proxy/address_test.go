package proxy

import (
	"net/netip"
	"testing"
)

func TestOnlyPublicUnicastAddressesArePublic(t *testing.T) {
	for _, a := range []string{"8.8.8.8", "1.1.1.1", "172.15.255.255", "172.32.0.1", "100.63.255.255", "100.128.0.1", "192.0.1.1", "223.255.255.255",
		"168.63.129.15", "2606:4700::1111", "2a00:1450:4001::1", "::ffff:8.8.8.8"} {
		if !isPublic(netip.MustParseAddr(a)) {
			t.Errorf("%s is refused", a)
		}
	}
	for _, a := range []string{"0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.255",
		"168.63.129.16", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.88.99.1", "192.168.1.1",
		"198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
		"::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:0:127.0.0.1", "::7f00:1", "64:ff9b::7f00:1", "64:ff9b:1::1", "100::1",
		"2001::1", "2001:0:7f00:1::", "2001:db8::1", "2002:7f00:1::1", "2002:a00:1::", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254",
		"fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "4000::1"} {
		if isPublic(netip.MustParseAddr(a)) {
			t.Errorf("%s passes", a)
		}
	}
	if isPublic(netip.Addr{}) {
		t.Error("no address passes")
	}
}

func TestOriginalKeepsSecretsOutAndStaysShort(t *testing.T) {
	for in, want := range map[string]string{
		"user:pass@host:443":                     "***@host:443",
		"http://user:p?a@ss@host/path?token=1#x": "http://***@host/path?***",
		"http://host/path?token=secret":          "http://host/path?***",
		"a\x00b\x1b[31m\xff\\":                   `a\x00b\x1b[31m\xff\x5c`,
		"https://h/?q=user@example.com":          "https://***@example.com",
	} {
		if got := original(in); got != want {
			t.Errorf("original(%q) = %q, want %q", in, got, want)
		}
	}
	if got := original(string(make([]byte, 4096))); len(got) > maxOriginal || len(got) < maxOriginal-3 {
		t.Errorf("%d bytes are kept", len(got))
	}
}
