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
		batch = append(batch, r)
		if len(batch) < stretch {
			return nil
		}
		err := d.addTo(v, batch)
		batch = batch[:0]
		return err
	})
	_ = d.addTo(v, batch) // there is nothing to end
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// addTo counts records, or ends the reading where nobody wants the view any more.
func (d *Day) addTo(v *view, batch []*audit.Record) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.views[v.filter] != v {
		return errEnough
	}
	for _, r := range batch {
		v.add(r)
	}
	return nil
}
