//go:build linux

package load

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sepproxy/sepproxy/bench/origin"
)

// share calls do with 0 to count-1, in as many goroutines as there are workers. After the first
// error nothing new is begun; it is returned.
func share(count, workers int, do func(i int) error) error {
	var (
		next   atomic.Int64
		failed atomic.Pointer[error]
		wg     sync.WaitGroup
	)
	for range max(workers, 1) {
		wg.Go(func() {
			for failed.Load() == nil {
				i := int(next.Add(1)) - 1
				if i >= count {
					return
				}
				if err := do(i); err != nil {
					err = fmt.Errorf("number %d of %d: %w", i+1, count, err)
					failed.CompareAndSwap(nil, &err)
				}
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

func microseconds(since time.Time) float64 { return float64(time.Since(since).Nanoseconds()) / 1e3 }

func tunnels(j Job) ([]float64, error) {
	d := newDialer(j.Route)
	open := d.plain
	if j.TLS {
		open = d.secure
	}
	samples := make([]float64, j.Count)
	return samples, share(j.Count, j.Workers, func(i int) error {
		begun := time.Now()
		c, err := open(i)
		if err != nil {
			return err
		}
		samples[i] = microseconds(begun)
		return c.Close()
	})
}

func (g *generator) hold(j Job) error {
	d := newDialer(j.Route).fromElsewhere()
	more := make([]net.Conn, j.Count)
	err := share(j.Count, j.Workers, func(i int) (err error) {
		more[i], err = d.plain(i)
		return err
	})
	for _, c := range more {
		if c != nil {
			g.held = append(g.held, c)
		}
	}
	return err
}

// last gives the tunnels that were opened last.
func (g *generator) last(n int) ([]net.Conn, error) {
	if n < 1 || n > len(g.held) {
		return nil, fmt.Errorf("%d tunnels wanted and %d held", n, len(g.held))
	}
	return g.held[len(g.held)-n:], nil
}

func (g *generator) bulk(j Job) error {
	conns, err := g.last(j.Workers)
	if err != nil {
		return err
	}
	each := j.Bytes / int64(len(conns))
	transfer := download
	if j.Upload {
		transfer = upload
	}
	return share(len(conns), len(conns), func(i int) error { return transfer(conns[i], each) })
}

func order(c net.Conn, op byte, n int64) error {
	_, err := c.Write(binary.BigEndian.AppendUint64([]byte{op}, uint64(n)))
	return err
}

func download(c net.Conn, n int64) error {
	return errors.Join(order(c, origin.Download, n), origin.Receive(c, n))
}

func upload(c net.Conn, n int64) error {
	return errors.Join(order(c, origin.Upload, n), origin.Send(c, n), readByte(c))
}

func (g *generator) pings(j Job) ([]float64, error) {
	conns, err := g.last(1)
	if err != nil {
		return nil, err
	}
	c, samples := conns[0], make([]float64, j.Count)
	_ = c.SetDeadline(time.Now().Add(patience + time.Duration(j.Count)*time.Millisecond))
	for i := range samples {
		begun := time.Now()
		if _, err := c.Write([]byte{origin.Ping}); err != nil {
			return nil, err
		}
		if err := readByte(c); err != nil {
			return nil, err
		}
		samples[i] = microseconds(begun)
	}
	return samples, c.SetDeadline(time.Time{})
}

// unlisted is a name that nobody allows.
const unlisted = "unlisted.bench.test:443"

func refusal(j Job) error {
	c, err := newDialer(j.Route).to(j.Route.Proxy, unlisted)
	switch {
	case err == nil:
		c.Close()
		return errors.New("it let a name pass that is on no list")
	case !errors.Is(err, errAnswered):
		return err
	}
	return nil
}

func gets(j Job) error {
	transport := &http.Transport{MaxIdleConnsPerHost: j.Workers, DisableCompression: true}
	defer transport.CloseIdleConnections()
	if j.Route.Proxy != "" {
		transport.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: j.Route.Proxy})
	}
	client := &http.Client{Transport: transport, Timeout: patience}
	return share(j.Count, j.Workers, func(i int) error {
		host := "127.0.0.1"
		if j.Route.Proxy != "" {
			host = Name(i)
		}
		return get(client, "http://"+net.JoinHostPort(host, strconv.Itoa(j.Route.Ports.HTTP))+"/")
	})
}

func get(client *http.Client, url string) error {
	response, err := client.Get(url) //nolint:noctx // the client has a time-out
	if err != nil {
		return err
	}
	defer response.Body.Close()
	n, err := io.Copy(io.Discard, response.Body)
	if err == nil && (response.StatusCode != http.StatusOK || n != origin.AnswerSize) {
		err = fmt.Errorf("GET %s: %s with %d bytes", url, response.Status, n)
	}
	return err
}
