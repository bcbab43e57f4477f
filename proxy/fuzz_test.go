package proxy

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"testing"
)

// What passes the strict reader is one request for net/http too, and the same one.
func FuzzHead(f *testing.F) {
	for _, seed := range []string{
		"GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n",
		"POST http://h/ HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nX: \xff y\r\n\r\n",
		"POST http://h/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\nTrailer: A, B\r\n\r\n",
		"CONNECT h:443 HTTP/1.0\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: h\r\nHost : h\r\n x\r\n\r\n",
		"GET / HTTP/1.1\r\nhost:\r\nExpect: 100-Continue\r\nConnection: close, x\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := splitHead(data, 4<<10)
		if err != nil || n == 0 {
			return
		}
		h, err := parseHead(data[:n])
		if err != nil {
			return
		}
		c := &clientConn{head: h, tunnel: h.method == http.MethodConnect}
		c.show(0)
		shown := append(bytes.Clone(c.ready), bytes.Repeat([]byte("0\r\n\r\n"), 2)...)
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(shown)))
		if err != nil {
			t.Fatalf("net/http refuses %q, which stands for %q: %v", c.ready, data[:n], err)
		}
		if r.Method != h.method || (r.ContentLength != h.length && h.method != http.MethodConnect) {
			t.Fatalf("net/http reads %s with %d bytes, we %s with %d", r.Method, r.ContentLength, h.method, h.length)
		}
	})
}

// Where the strict reader says that chunked content ends, net/http ends too; what it does not
// refuse, however it comes in pieces, gives the same content.
func FuzzContent(f *testing.F) {
	for _, seed := range []string{"0\r\n\r\n", "3\r\nabc\r\n0\r\n\r\nGET", "A;x=y\r\n0123456789\r\n0\r\nT: 1\r\n\r\n", "3\nabc\r\n0\r\n\r\n", "1\r\nab\r\n"} {
		f.Add([]byte(seed), uint8(1))
		f.Add([]byte(seed), uint8(200))
	}
	f.Fuzz(func(t *testing.T, data []byte, piece uint8) {
		c := newContent(lengthChunked, 1<<10)
		passed, failed := 0, error(nil)
		for rest := data; len(rest) > 0 && c.state != contentEnd; {
			n, err := c.pass(rest[:min(len(rest), int(piece)+1)])
			if err != nil {
				failed = err
				break
			}
			passed, rest = passed+n, rest[n:]
		}
		if failed != nil || c.state != contentEnd {
			return
		}
		head := "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
		br := bufio.NewReader(io.MultiReader(bytes.NewReader([]byte(head)), bytes.NewReader(data)))
		r, err := http.ReadRequest(br)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(r.Body); err != nil {
			t.Fatalf("net/http refuses %q: %v", data[:passed], err)
		}
		if rest, _ := io.ReadAll(br); !bytes.Equal(rest, data[passed:]) {
			t.Fatalf("net/http leaves %q, we leave %q", rest, data[passed:])
		}
	})
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 204 No\r\nConnection: close, x\r\n\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		o := &originConn{}
		o.begin(http.MethodGet, "/")
		if n := o.examine(data); n > 0 {
			t.Fatalf("%d bytes of %q go on unchecked", n, data)
		}
		if !bytes.HasPrefix(data, o.ready) {
			t.Fatalf("%q became %q", data, o.ready)
		}
		if len(o.ready) == 0 {
			return
		}
		// Of what goes on, net/http leaves nothing over that it could take for another answer.
		br := bufio.NewReader(bytes.NewReader(o.ready))
		resp, err := http.ReadResponse(br, nil)
		for err == nil && resp.StatusCode < 200 && resp.StatusCode != http.StatusSwitchingProtocols {
			resp, err = http.ReadResponse(br, nil)
		}
		if err != nil {
			return
		}
		if _, err := io.ReadAll(resp.Body); err != nil {
			return
		}
		if rest, _ := io.ReadAll(br); len(rest) > 0 && resp.StatusCode != http.StatusSwitchingProtocols {
			t.Fatalf("of %q net/http leaves %q", o.ready, rest)
		}
	})
}

func FuzzOriginal(f *testing.F) {
	f.Add("http://user:pw@h/p?q")
	f.Fuzz(func(t *testing.T, target string) {
		got := original(target)
		if len(got) > maxOriginal {
			t.Fatalf("%d bytes", len(got))
		}
		for i := range len(got) {
			if got[i] < ' ' || got[i] >= 0x7f {
				t.Fatalf("%q holds %q", got, got[i])
			}
		}
	})
}
