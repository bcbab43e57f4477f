package hello

import (
	"bytes"
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"testing"

	"golang.org/x/crypto/cryptobyte"
)

// sent gives the ClientHello that Go's own TLS client sends.
func sent(t testing.TB, c *tls.Config) []byte {
	t.Helper()
	near, far := net.Pipe()
	go func() {
		_ = tls.Client(near, c).Handshake() // ends with the pipe
		_ = near.Close()
	}()
	defer far.Close()
	buf := make([]byte, MaxSize)
	n := 0
	for {
		m, err := far.Read(buf[n:])
		if err != nil {
			t.Fatal(err)
		}
		n += m
		if _, need, err := Parse(buf[:n]); err != nil || need == 0 {
			return buf[:n]
		}
	}
}

// An extension of a hello that a test builds.
type extension struct {
	kind uint16
	body []byte
}

// built makes a ClientHello message, without record header.
func built(extensions ...extension) []byte {
	var b cryptobyte.Builder
	b.AddUint8(clientHello)
	b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) {
		b.AddUint16(tls.VersionTLS12)
		b.AddBytes(make([]byte, 32))
		b.AddUint8LengthPrefixed(func(*cryptobyte.Builder) {})
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddUint16(0x0a0a); b.AddUint16(tls.TLS_AES_128_GCM_SHA256) })
		b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddUint8(0) })
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
			for _, e := range extensions {
				b.AddUint16(e.kind)
				b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(e.body) })
			}
		})
	})
	return b.BytesOrPanic()
}

func serverName(names ...string) extension {
	var b cryptobyte.Builder
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		for _, n := range names {
			b.AddUint8(nameTypeHost)
			b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(n)) })
		}
	})
	return extension{extServerName, b.BytesOrPanic()}
}

// inRecords cuts a message into records of at most size bytes.
func inRecords(message []byte, size int) []byte {
	var out []byte
	for piece := range slices.Chunk(message, size) {
		out = append(out, recordHandshake, 3, 1, byte(len(piece)>>8), byte(len(piece)))
		out = append(out, piece...)
	}
	return out
}

func TestWhatGoSends(t *testing.T) {
	h, need, err := Parse(sent(t, &tls.Config{ServerName: "ent-shasta-rrs.symantec.com", NextProtos: []string{"h2", "http/1.1"}, MinVersion: tls.VersionTLS12}))
	if err != nil || need != 0 {
		t.Fatalf("need %d, %v", need, err)
	}
	if h.ServerName != "ent-shasta-rrs.symantec.com" || !slices.Equal(h.ALPN, []string{"h2", "http/1.1"}) ||
		!slices.Equal(h.Versions, []uint16{tls.VersionTLS13, tls.VersionTLS12}) {
		t.Errorf("read %+v", h)
	}
	if h, _, err := Parse(sent(t, &tls.Config{InsecureSkipVerify: true})); err != nil || h.ServerName != "" {
		t.Errorf("without a name: %+v, %v", h, err)
	}
}

// However it is cut, in records and in reads, the hello is the same; and need is the truth: with
// one byte less, there is no hello yet.
func TestPiecesDoNotMatter(t *testing.T) {
	padding := extension{21, make([]byte, 15<<10)} // as large as post-quantum key shares and more
	message := built(extension{0x0a0a, nil}, serverName("a.example"), padding, extension{0xfe0d, []byte("encrypted inner hello")})
	for _, size := range []int{1 << 14, 4096, 100, 9} {
		data := inRecords(message, size)
		calls := 0
		for n := 0; ; {
			h, need, err := Parse(data[:n])
			if calls++; err != nil {
				t.Fatalf("records of %d, %d bytes: %v", size, n, err)
			}
			if need == 0 {
				if h.ServerName != "a.example" || n != len(data) {
					t.Errorf("records of %d: %+v after %d of %d bytes", size, h, n, len(data))
				}
				break
			}
			if need <= n || need > len(data) {
				t.Fatalf("records of %d: with %d bytes it needs %d of %d", size, n, need, len(data))
			}
			if _, again, err := Parse(data[:need-1]); again == 0 || err != nil {
				t.Fatalf("records of %d: %d bytes were enough, %d were asked for (%v)", size, need-1, need, err)
			}
			n = need
		}
		if most := 2*(len(message)/size+2) + 1; calls > most {
			t.Errorf("records of %d: %d calls", size, calls)
		}
	}
}

func TestWhatIsNotAClientHelloIsRefusedEarly(t *testing.T) {
	good := inRecords(built(serverName("a.example")), 1<<14)
	change := func(at int, to byte) []byte { b := bytes.Clone(good); b[at] = to; return b }
	for name, data := range map[string][]byte{
		"HTTP":                     []byte("GET / HTTP/1.1"),
		"one byte of SSH":          []byte("S"),
		"SSL 2":                    {0x80, 0x2e, 0x01},
		"an alert":                 change(0, 21),
		"another major version":    change(1, 2),
		"an empty record":          {22, 3, 1, 0, 0},
		"a record too long":        {22, 3, 1, 0x40, 1},
		"another message":          change(5, 2),
		"a message too long":       {22, 3, 1, 0, 4, 1, 1, 0, 0},
		"two names":                inRecords(built(serverName("a.example", "b.example")), 1<<14),
		"the extension twice":      inRecords(built(serverName("a.example"), serverName("b.example")), 1<<14),
		"an empty name":            inRecords(built(serverName("")), 1<<14),
		"no name in the extension": inRecords(built(extension{extServerName, []byte{0, 0}}), 1<<14),
		"a name of another type":   inRecords(built(extension{extServerName, []byte{0, 4, 1, 0, 1, 'x'}}), 1<<14),
		"trailing bytes":           inRecords(append(built()[:3], append([]byte{built()[3] + 1}, append(built()[4:], 0)...)...), 1<<14),
		"records of a byte":        inRecords(built(serverName("a.example"), extension{21, make([]byte, 8<<10)}), 1),
	} {
		if h, need, err := Parse(data); !errors.Is(err, ErrNotTLS) {
			t.Errorf("%s: %+v, need %d, %v", name, h, need, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(inRecords(built(serverName("a.example")), 1<<14))
	f.Add(inRecords(built(serverName("a.example"), extension{extVersions, []byte{2, 3, 4}}, extension{extALPN, []byte{0, 3, 2, 'h', '2'}}), 20))
	f.Add([]byte("GET / HTTP/1.1\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, need, err := Parse(data)
		switch {
		case err != nil && (need != 0 || !errors.Is(err, ErrNotTLS)):
			t.Fatalf("need %d, %v", need, err)
		case need > 0 && (need <= len(data) || need > MaxSize+recordHeader):
			t.Fatalf("needs %d of %d bytes", need, len(data))
		case need > 0 || err != nil:
			return
		}
		// More bytes behind it do not change it.
		if again, _, err := Parse(append(bytes.Clone(data), 1, 2, 3)); err != nil || again.ServerName != h.ServerName {
			t.Fatalf("with more bytes: %+v, %v", again, err)
		}
	})
}
