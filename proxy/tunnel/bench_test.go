package tunnel

import (
	"io"
	"net"
	"testing"
	"time"
)

// What a tunnel costs with each carrier. Their ratio says something, and only in one run: the rest
// is the machine's.

func eachBench(b *testing.B, f func(b *testing.B, start func() (client, origin *net.TCPConn, ended chan Result))) {
	for name, carry := range carriers(b) {
		if name == "opaque" {
			continue
		}
		b.Run(name, func(b *testing.B) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			pair := func() (near, far *net.TCPConn) {
				a, err := net.Dial("tcp", l.Addr().String())
				if err != nil {
					b.Fatal(err)
				}
				c, err := l.Accept()
				if err != nil {
					b.Fatal(err)
				}
				return a.(*net.TCPConn), c.(*net.TCPConn)
			}
			f(b, func() (client, origin *net.TCPConn, ended chan Result) {
				ended = make(chan Result, 1)
				client, nearClient := pair()
				origin, nearOrigin := pair()
				carry(nearClient, nearOrigin, Options{Idle: time.Hour, Done: func(r Result) { ended <- r }})
				return client, origin, ended
			})
		})
	}
}

func BenchmarkSetUpAByteAndClose(b *testing.B) {
	eachBench(b, func(b *testing.B, start func() (client, origin *net.TCPConn, ended chan Result)) {
		one := make([]byte, 1)
		for b.Loop() {
			client, origin, ended := start()
			_, _ = client.Write(one)
			_, _ = origin.Read(one)
			_ = client.Close()
			_ = origin.Close()
			<-ended
		}
	})
}

func BenchmarkPingPong(b *testing.B) {
	eachBench(b, func(b *testing.B, start func() (client, origin *net.TCPConn, ended chan Result)) {
		client, origin, ended := start()
		for b.Loop() {
			pingPong(b, client, origin)
		}
		_ = client.Close()
		_ = origin.Close()
		<-ended
	})
}

func BenchmarkBulk(b *testing.B) {
	eachBench(b, func(b *testing.B, start func() (client, origin *net.TCPConn, ended chan Result)) {
		client, origin, ended := start()
		piece := make([]byte, 1<<20)
		go func() {
			for {
				if _, err := origin.Write(piece); err != nil {
					return
				}
			}
		}()
		b.SetBytes(1 << 20)
		got := make([]byte, 1<<20)
		for b.Loop() {
			if _, err := io.ReadFull(client, got); err != nil {
				b.Fatal(err)
			}
		}
		_ = client.SetLinger(0)
		_ = client.Close()
		<-ended
		_ = origin.Close()
	})
}
