package live

import (
	"context"
	"errors"
	"os"

	"github.com/sepproxy/sepproxy/audit"
)

// stretch is how many records are counted at once, so that snapshots come between.
const stretch = 500

var errEnough = errors.New("enough")

func (d *Day) readFile(ctx context.Context, path string, v *view) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var batch []*audit.Record
	err = audit.Scan(path, f, func(_ int, _ []byte, r *audit.Record) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case r == nil || r.Time.Before(v.since):
			return nil
		case r.Event.Sequence > v.after:
			return errEnough
		}
		if batch = append(batch, r); len(batch) >= stretch {
			d.addTo(v, batch)
			batch = batch[:0]
		}
		return nil
	})
	d.addTo(v, batch)
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

func (d *Day) addTo(v *view, batch []*audit.Record) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range batch {
		v.add(r)
	}
}
