//go:build linux

package load

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// A Client hands jobs to a generator. It is for one goroutine.
type Client struct {
	jobs    *json.Encoder
	results *json.Decoder
}

// NewClient is for the generator whose Generate reads what is written to in and writes what is read from out.
func NewClient(in io.Writer, out io.Reader) *Client {
	return &Client{jobs: json.NewEncoder(in), results: json.NewDecoder(out)}
}

// Do has a job done and waits for it. Samples are nil for jobs that take no times. An error means
// that not all of the job was done, and nothing measured meanwhile counts.
func (c *Client) Do(j Job) (samples []float64, err error) {
	if err := c.jobs.Encode(j); err != nil {
		return nil, fmt.Errorf("asking the load generator for %s: %w", j.Op, err)
	}
	var r result
	if err := c.results.Decode(&r); err != nil {
		return nil, fmt.Errorf("waiting for the load generator's %s: %w", j.Op, err)
	}
	if r.Error != "" {
		return nil, errors.New(r.Error)
	}
	return r.Samples, nil
}
