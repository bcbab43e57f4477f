package report

import (
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// barDelay is how long work takes before it is worth a progress bar.
const barDelay = time.Second

// A Bar shows on a terminal how far Build got, and nothing anywhere else. Its Update is for
// Options.Progress; it is for one goroutine.
type Bar struct {
	w        io.Writer
	terminal bool
	began    time.Time
	now      func() time.Time
	bar      *progressbar.ProgressBar
}

// NewBar makes a bar for standard error; time counts from here. The caller calls Finish at the end.
func NewBar(stderr *os.File) *Bar {
	return &Bar{w: stderr, terminal: term.IsTerminal(int(stderr.Fd())), began: time.Now(), now: time.Now}
}

// Update shows that done of total bytes were read, once it is worth it.
func (b *Bar) Update(done, total int64) {
	if b.bar == nil {
		if !worthABar(b.terminal, b.now().Sub(b.began)) {
			return
		}
		b.bar = progressbar.NewOptions64(max(total, 1), progressbar.OptionSetWriter(b.w),
			progressbar.OptionShowBytes(true), progressbar.OptionShowCount(), progressbar.OptionUseIECUnits(true), progressbar.OptionSetWidth(40),
			progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
	}
	// It can only tell that the terminal is gone, which is no reason to stop counting.
	_ = b.bar.Set64(min(done, b.bar.GetMax64()))
}

// Finish removes the bar from the terminal. It may be called where nothing was ever shown.
func (b *Bar) Finish() {
	if b.bar != nil {
		_ = b.bar.Finish()
	}
}

// worthABar is the rule: only people look at bars, and only if they have to wait.
func worthABar(terminal bool, elapsed time.Duration) bool { return terminal && elapsed > barDelay }
