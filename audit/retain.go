package audit

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// lookAfter is the background work on old files: compression, then retention.
func (l *Log) lookAfter() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-l.stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	if err := l.compress(ctx); !errors.Is(err, context.Canceled) {
		l.report(err)
	}
	if err := l.retain(); !errors.Is(err, ErrClosed) {
		l.report(err)
	}
}

// compress turns all rotated files but the newest into gzip.
func (l *Log) compress(ctx context.Context) error {
	if !l.opts.Rotate.Compress {
		return nil
	}
	files, err := rotatedFiles(l.opts.Path)
	if err != nil {
		return fmt.Errorf("compressing audit files: %w", err)
	}
	for _, f := range files[:max(0, len(files)-1)] {
		if f.compressed {
			continue
		}
		if err := compressFile(ctx, f.path); err != nil {
			return fmt.Errorf("compressing audit file: %w", err)
		}
	}
	return nil
}

// compressFile leaves at every moment a complete copy under one of the two final names.
func compressFile(ctx context.Context, path string) error {
	temp := path + tempSuffix
	if err := writeGzip(ctx, path, temp); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	if err := os.Rename(temp, path+gzipSuffix); err != nil {
		return err
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return err
	}
	return os.Remove(path)
}

func writeGzip(ctx context.Context, from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, filePerm)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	zip := gzip.NewWriter(out)
	if _, err := io.Copy(zip, cancellable{ctx, in}); err != nil {
		return err
	}
	if err := zip.Close(); err != nil {
		return err
	}
	return out.Sync()
}

// cancellable is a reader that gives up when ctx does.
type cancellable struct {
	ctx context.Context
	r   io.Reader
}

func (c cancellable) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// retain removes the rotated files that are too old or too many, after the trail says so. Oldest
// go first, so that a crash half-way leaves no hole.
func (l *Log) retain() error {
	l.mu.Lock() // no rotation between looking at the old files and at the current one
	files, err := rotatedFiles(l.opts.Path)
	born, last, begun := l.born, l.origin, l.tip.size > 0
	l.mu.Unlock()
	if err != nil {
		return fmt.Errorf("removing old audit files: %w", err)
	}
	if !begun { // a rotation came to grief half-way: nothing says yet where the old files end
		return nil
	}
	gone := expired(files, l.opts.Rotate, born, l.now())
	if len(gone) == 0 {
		return nil
	}
	if len(gone) < len(files) {
		last = originOf(files[len(gone)])
	}
	if err := l.Write(deletion(gone, last, l.now())); err != nil {
		return fmt.Errorf("removing old audit files: %w", err)
	}
	if err := l.flushNow(); err != nil {
		return fmt.Errorf("removing old audit files: %w", err)
	}
	for _, f := range gone {
		if err := removeRotated(f.path); err != nil {
			return fmt.Errorf("removing old audit file: %w", err)
		}
	}
	return nil
}

// expired gives the files, a prefix of files, that retention removes; the current one was begun at born.
func expired(files []rotated, r Rotate, born, now time.Time) []rotated {
	var total int64
	for _, f := range files {
		total += f.size
	}
	n := 0
	for ; n < len(files); n++ {
		old := r.Keep > 0 && now.Sub(ended(files[n:], born, now)) > r.Keep
		much := r.MaxTotal > 0 && total > r.MaxTotal
		if !old && !much {
			break
		}
		total -= files[n].size
	}
	return files[:n]
}

// ended is the age of the first file's last record: that of the first record of the file behind it,
// or the current one, begun at born. A clock that is set may have dated files into the future, or
// before those in front of them: such dates say nothing, and the next file is asked. Where none says
// anything, the file is taken for as young as can be.
func ended(files []rotated, born, now time.Time) time.Time {
	begun := files[0].born
	for _, f := range append(files[1:len(files):len(files)], rotated{born: born}) {
		before := f.born.Before(begun) && !begun.After(now)
		if !before && !f.born.After(now) {
			return f.born
		}
	}
	return now
}

// originOf is where a rotated file goes on from; without a readable beginning the chain is unknown.
func originOf(f rotated) position {
	r, err := firstRecord(f.path)
	if err != nil {
		return position{sequence: f.first - 1}
	}
	chain, sequence, _ := anchor(r)
	return position{sequence: sequence, chain: chain}
}

// deletion is the record of what goes; last is where that ended.
func deletion(gone []rotated, last position, now time.Time) *Record {
	d := &Deleted{First: gone[0].first, Last: last.sequence, Chain: last.chain.String()}
	for _, f := range gone {
		d.Files = append(d.Files, filepath.Base(f.path))
	}
	r := lifecycle(LifecycleAuditDeleted, fmt.Sprintf("retention removes records %d to %d", d.First, d.Last), now)
	r.Sepproxy.Deleted = d
	return r
}

// removeRotated removes a rotated file and the compressed copy that a crash may have left beside it.
func removeRotated(path string) error {
	if err := os.Remove(path); err != nil {
		return err
	}
	if strings.HasSuffix(path, gzipSuffix) {
		return nil
	}
	if err := os.Remove(path + gzipSuffix); err != nil && !os.IsNotExist(err) {
		return err
	}
	return nil
}

// removeTemps removes what interrupted compressions left; the files themselves are still there.
func removeTemps(path string) error {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return err
	}
	for _, e := range entries {
		name, temp := strings.CutSuffix(e.Name(), tempSuffix)
		if _, ours := parseRotated(path, name); !temp || !ours {
			continue
		}
		if err := os.Remove(filepath.Join(filepath.Dir(path), e.Name())); err != nil {
			return err
		}
	}
	return nil
}
