//go:build linux

package e2e_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// A browser is a tab of a headless Chromium that notes what it asks for and what it complains about.
type browser struct {
	t   testing.TB
	ctx context.Context

	mu        sync.Mutex
	requested []string
	said      []string
}

func openBrowser(t testing.TB) *browser {
	t.Helper()
	wants(t, "chromium", "chromium")
	options := append(chromedp.DefaultExecAllocatorOptions[:len(chromedp.DefaultExecAllocatorOptions):len(chromedp.DefaultExecAllocatorOptions)],
		chromedp.NoSandbox, chromedp.ExecPath("chromium"), chromedp.UserDataDir(t.TempDir()), chromedp.Flag("no-proxy-server", true))
	ctx, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, closeTab := chromedp.NewContext(ctx)
	b := &browser{t: t, ctx: ctx}
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // waits for the process, which keeps files of the test's directory
		closeTab()
		stop()
	})
	if err := chromedp.Listen(ctx, b.note); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *browser) note(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if !strings.HasPrefix(e.Request.URL, "data:") {
			b.requested = append(b.requested, e.Request.URL)
		}
	case *log.EventEntryAdded:
		b.said = append(b.said, e.Entry.Text)
	case *runtime.EventConsoleAPICalled:
		text, _ := json.Marshal(e.Args)
		b.said = append(b.said, string(text))
	case *runtime.EventExceptionThrown:
		b.said = append(b.said, e.ExceptionDetails.Text)
	}
}

// open shows a page, and forgets what was noted before.
func (b *browser) open(url string) {
	b.t.Helper()
	b.mu.Lock()
	b.requested, b.said = nil, nil
	b.mu.Unlock()
	if err := chromedp.Do(b.ctx, chromedp.Navigate(url)); err != nil {
		b.t.Fatal(err)
	}
}

// quiet asserts that the page asked for nothing but want, and complained about nothing.
func (b *browser) quiet(want ...string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if strings.Join(b.requested, " ") != strings.Join(want, " ") {
		b.t.Errorf("the page asked for %q, want %q", b.requested, want)
	}
	if len(b.said) > 0 {
		b.t.Errorf("the console says %q", b.said)
	}
}

// text is what the reader sees of the element that a CSS selector finds; "" if there is none.
func (b *browser) text(selector string) string {
	b.t.Helper()
	return value[string](b, `(document.querySelector(`+quoted(selector)+`) || {}).innerText || ""`)
}

// count is how many elements a CSS selector finds.
func (b *browser) count(selector string) int {
	b.t.Helper()
	return value[int](b, `document.querySelectorAll(`+quoted(selector)+`).length`)
}

func quoted(s string) string {
	text, _ := json.Marshal(s) // of a string: it cannot fail
	return string(text)
}

func value[T any](b *browser, expression string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// fits asserts that nothing is wider than a screen of that width, and leaves a picture of each color
// scheme where somebody wants to look at them: KEEP_PAGES names a directory.
func (b *browser) fits(name string, width, height int64) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, chromedp.EmulateViewport(width, height)); err != nil {
		b.t.Fatal(err)
	}
	if wide := value[int64](b, "document.documentElement.scrollWidth"); wide > width {
		b.t.Errorf("%s is %d wide on a screen of %d", name, wide, width)
	}
	dir := os.Getenv("KEEP_PAGES")
	if dir == "" {
		return
	}
	for _, scheme := range []string{"light", "dark"} {
		_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia,
			emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
		if err != nil {
			b.t.Fatal(err)
		}
		picture, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
		if err != nil {
			b.t.Fatal(err)
		}
		file := filepath.Join(dir, name+"-"+scheme+"-"+strconv.FormatInt(width, 10)+".png")
		if err := os.WriteFile(file, picture, 0o600); err != nil {
			b.t.Fatal(err)
		}
	}
}
