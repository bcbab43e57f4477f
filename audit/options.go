package audit

import (
	"fmt"
	"io"
	"time"
)

// SyncMode says when written records are made durable with fsync.
type SyncMode string

// The sync modes. The zero SyncMode is SyncInterval.
const (
	SyncAlways   SyncMode = "always"   // before Write returns; concurrent writers share one fsync
	SyncInterval SyncMode = "interval" // every Options.SyncInterval: a power failure costs no more than that
	SyncNever    SyncMode = "never"    // when the kernel sees fit; a crash of the process alone costs nothing
)

// UnmarshalText accepts exactly the three modes.
func (m *SyncMode) UnmarshalText(text []byte) error {
	switch mode := SyncMode(text); mode {
	case SyncAlways, SyncInterval, SyncNever:
		*m = mode
		return nil
	}
	return fmt.Errorf("want always, interval or never here, not %q", text)
}

// Rotate says when a new file is begun and what becomes of old ones. Zero values: never.
type Rotate struct {
	Size     int64         // bytes: a file that has reached it is rotated before the next record
	Every    time.Duration // age of a file's first record
	Keep     time.Duration // rotated files whose last record is older are removed
	MaxTotal int64         // bytes that all rotated files may take together; the oldest go first
	Compress bool          // gzip, one rotation late: the newest rotated file stays as it is
}

// Options say where and how a Log writes.
type Options struct {
	// Path is the current file. "-" writes to Stdout instead, which is delivery only: no rotation,
	// no recovery, no lock, no fsync, and each start begins a trail of its own.
	Path         string
	Sync         SyncMode
	SyncInterval time.Duration // for SyncInterval; 0 is one second
	Rotate       Rotate
	Checkpoint   Checkpoints
	Hostname     string    // observer.hostname of every record
	Version      string    // observer.version of the start record
	Stdout       io.Writer // where Path "-" leads; the Log does not close it
	// OnError is told what goes wrong in the background: rotation, compression, retention, a
	// delayed fsync. It may be nil, may be called from any goroutine, and must not call the Log.
	OnError func(error)
	Now     func() time.Time // nil is time.Now
}

func (o *Options) setDefaults() {
	if o.Sync == "" {
		o.Sync = SyncInterval
	}
	if o.SyncInterval <= 0 {
		o.SyncInterval = time.Second
	}
	if o.Checkpoint.Every <= 0 {
		o.Checkpoint.Every = time.Minute
	}
	if o.OnError == nil {
		o.OnError = func(error) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
}

// Stats are counted since Open.
type Stats struct {
	Records    map[string]int64 // written, by event.action, the log's own lifecycle records included
	Errors     int64            // failed writes and everything OnError was told
	Unrecorded int64            // records that Write gave an error for
	Sequence   uint64           // of the last record of the trail; 0 if there is none
}
