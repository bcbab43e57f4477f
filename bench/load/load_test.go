//go:build linux

package load

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/sepproxy/sepproxy/bench/origin"
)

// ports starts an origin.
func ports(t *testing.T) (p origin.Ports) {
	t.Helper()
	out, in := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- origin.Serve(ctx, in) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	if err := json.NewDecoder(out).Decode(&p); err != nil {
		t.Fatal(err)
	}
	return p
}

// client starts a generator.
func client(t *testing.T) *Client {
	t.Helper()
	jobsOut, jobsIn := io.Pipe()
	resultsOut, resultsIn := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- Generate(jobsOut, resultsIn) }()
	t.Cleanup(func() {
		jobsIn.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return NewClient(jobsIn, resultsOut)
}

func TestJobs(t *testing.T) {
	c, r := client(t), Route{Ports: ports(t)}
	for _, step := range []struct {
		job     Job
		samples int
		want    string // in the error
	}{
		{job: Job{Op: Tunnels, Route: r, Count: 70, Workers: 8}, samples: 70},
		{job: Job{Op: Tunnels, Route: r, Count: 5, TLS: true}, samples: 5},
		{job: Job{Op: Gets, Route: r, Count: 9, Workers: 2}},
		{job: Job{Op: Bulk, Workers: 1}, want: "1 tunnels wanted and 0 held"},
		{job: Job{Op: Hold, Route: r, Count: 10, Workers: 4}},
		{job: Job{Op: Bulk, Workers: 11}, want: "11 tunnels wanted and 10 held"},
		{job: Job{Op: Bulk, Workers: 3, Bytes: 3 << 20}},
		{job: Job{Op: Bulk, Workers: 3, Bytes: 3 << 20, Upload: true}},
		{job: Job{Op: Pings, Count: 12}, samples: 12},
		{job: Job{Op: Release}},
		{job: Job{Op: Pings, Count: 1}, want: "0 held"},
		{job: Job{Op: "dance"}, want: `unknown job "dance"`},
		{job: Job{Op: Tunnels, Route: Route{Ports: origin.Ports{Plain: 1}}, Count: 3}, want: "number 1 of 3: dial tcp4 127.0.0.1:1"},
	} {
		samples, err := c.Do(step.job)
		if len(samples) != step.samples && err == nil {
			t.Errorf("%+v gave %d samples, want %d", step.job, len(samples), step.samples)
		}
		for _, s := range samples {
			if s <= 0 {
				t.Errorf("%+v took %v µs", step.job, s)
			}
		}
		if (err == nil) != (step.want == "") || (err != nil && !strings.Contains(err.Error(), step.want)) {
			t.Errorf("%+v: %v, want %q", step.job, err, step.want)
		}
	}
}

// TestAnswersToCONNECT: nothing but a clean 200 is a tunnel.
func TestAnswersToCONNECT(t *testing.T) {
	for answer, want := range map[string]string{
		"HTTP/1.1 200 OK\r\n\r\n":                  "",
		"HTTP/1.0 200 OK\r\nVia: x\r\n\r\n":        "",
		"HTTP/1.1 403 Forbidden\r\n\r\nnot you":    "403 Forbidden",
		"HTTP/1.1 2000 OK\r\n\r\n":                 "2000",
		"HTTP/1.1 200 OK\r\n\r\nmore":              `sent "more" into the tunnel`,
		"HTTP/1.1 200 OK\r\n":                      "EOF",
		"":                                         "EOF",
		strings.Repeat("HTTP/1.1 200 OK\r\n", 400): "too long",
	} {
		near, far := net.Pipe()
		asked := make(chan string, 1)
		go func() {
			buf := make([]byte, 4096)
			n, _ := far.Read(buf)
			asked <- string(buf[:n])
			_, _ = io.WriteString(far, answer)
			far.Close()
		}()
		err := connect(near, "host-01.bench.test:443")
		near.Close()
		if got := <-asked; got != "CONNECT host-01.bench.test:443 HTTP/1.1\r\nHost: host-01.bench.test:443\r\n\r\n" {
			t.Errorf("it asked %q", got)
		}
		if (err == nil) != (want == "") || (err != nil && !strings.Contains(err.Error(), want)) {
			t.Errorf("%.40q: %v, want %q", answer, err, want)
		}
	}
}

// TestHellosAreReal: a TLS server reads the name out of each, which is what a guard does.
func TestHellosAreReal(t *testing.T) {
	for i := range Names {
		near, far := net.Pipe()
		go func() { _, _ = near.Write(hello(i)) }()
		var name string
		server := tls.Server(far, &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			name = h.ServerName
			return nil, io.EOF // seen enough
		}})
		go func() { _, _ = io.Copy(io.Discard, near) }()
		_ = server.Handshake()
		near.Close()
		far.Close()
		if name != Name(i) {
			t.Errorf("hello %d names %q, want %q", i, name, Name(i))
		}
	}
	if Name(0) != "host-01.bench.test" || Name(Names) != Name(0) || Address(59) != "127.0.1.60" {
		t.Errorf("names are %s and %s, an address %s", Name(0), Name(Names), Address(59))
	}
	if len(hello(0)) > 512 {
		t.Errorf("a hello has %d bytes, and should be small", len(hello(0)))
	}
}

func TestShareStopsAtTheFirstError(t *testing.T) {
	done := 0
	err := share(100, 1, func(i int) error {
		done++
		if i == 4 {
			return fmt.Errorf("no %d", i)
		}
		return nil
	})
	if err == nil || err.Error() != "number 5 of 100: no 4" || done != 5 {
		t.Errorf("%v after %d", err, done)
	}
}
