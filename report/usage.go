package report

import (
	"context"
	"fmt"
	"os"

	"github.com/sepproxy/sepproxy/audit"
	"github.com/sepproxy/sepproxy/catalog"
)

// A Usage is what audit files say of one endpoint, whatever path was asked for.
type Usage struct {
	Requests int64  `json:"requests"` // decided, allowed and denied together
	Denied   int64  `json:"denied"`   // those that were refused at once
	Clients  int    `json:"clients"`  // distinct addresses
	LastSeen Moment `json:"last_seen"`

	addresses map[string]bool
}

// Usages counts the requests for each of the endpoints, which one request may belong to several of, in audit files; a file
// given twice counts once. broken is the number of lines that could not be read. A file that cannot be read to its end is an
// error: what is not found in it may still have been used.
func Usages(ctx context.Context, files []string, endpoints []catalog.Endpoint) (usages []Usage, broken int64, err error) {
	sources, err := openSources(ctx, files)
	if err != nil {
		return nil, 0, err
	}
	usages = make([]Usage, len(endpoints))
	for _, s := range sources {
		err := scanWhole(ctx, s.path, func(r *audit.Record) {
			switch {
			case r == nil:
				broken++
			case r.Event.Action == audit.ActionDecision && r.URL != nil:
				for i, e := range endpoints {
					if e.Covers(r.URL.Scheme, r.URL.Domain, r.URL.Port) {
						usages[i].add(r)
					}
				}
			}
		})
		if err != nil {
			return nil, 0, err
		}
	}
	return usages, broken, nil
}

func (u *Usage) add(r *audit.Record) {
	u.Requests++
	if r.Sepproxy.Verdict == "deny" {
		u.Denied++
	}
	if r.Time.After(u.LastSeen.Time) {
		u.LastSeen.Time = r.Time
	}
	if r.Source == nil {
		return
	}
	if u.addresses == nil {
		u.addresses = map[string]bool{}
	}
	u.addresses[r.Source.IP] = true
	u.Clients = len(u.addresses)
}

// scanWhole calls f for every line of an audit file, with nil for one that is not a record.
func scanWhole(ctx context.Context, path string, f func(*audit.Record)) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("opening audit file: %w", err)
	}
	defer file.Close() // only read: nothing to lose
	return audit.Scan(path, &watched{ctx, file, nil}, func(_ int, _ []byte, r *audit.Record) error {
		f(r)
		return nil
	})
}
