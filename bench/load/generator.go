//go:build linux

package load

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
)

// Generate does the jobs that come as JSON from in, one after the other, and writes what became of
// each to out, until in ends. It closes what it holds.
func Generate(in io.Reader, out io.Writer) error {
	hellos() // made now, not while something is measured
	var g generator
	defer g.release()
	jobs, results := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var job Job
		switch err := jobs.Decode(&job); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("reading a job: %w", err)
		}
		samples, err := g.do(job)
		r := result{Samples: samples}
		if err != nil {
			r.Error = err.Error()
		}
		if err := results.Encode(r); err != nil {
			return fmt.Errorf("writing a result: %w", err)
		}
	}
}

// A generator keeps tunnels open from one job to the next.
type generator struct {
	held []net.Conn
}

func (g *generator) do(j Job) ([]float64, error) {
	switch j.Op {
	case Tunnels:
		return tunnels(j)
	case Hold:
		return nil, g.hold(j)
	case Release:
		g.release()
		return nil, nil
	case Bulk:
		return nil, g.bulk(j)
	case Pings:
		return g.pings(j)
	case Gets:
		return nil, gets(j)
	case Refusal:
		return nil, refusal(j)
	}
	return nil, fmt.Errorf("unknown job %q", j.Op)
}

func (g *generator) release() {
	for _, c := range g.held {
		c.Close()
	}
	g.held = nil
}
