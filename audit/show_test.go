package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"":                        "",
		"ent-shasta.symantec.com": "ent-shasta.symantec.com",
		"señal, 日本, ü":            "señal, 日本, ü",
		"\x1b[31mred\x1b[0m":      `\x1b[31mred\x1b[0m`,
		"a\nb\rc\td\x00e\x7f":     `a\x0ab\x0dc\x09d\x00e\x7f`,
		"csi \u009b2J":            `csi \u009b2J`,
		"a\u202eb\u2066c\u200fd":  `a\u202eb\u2066c\u200fd`,
		"zero\u200bwidth\ufeff":   `zero\u200bwidth\ufeff`,
		"line\u2028para\u2029":    `line\u2028para\u2029`,
		"bad \xff\xc3(":           `bad \xff\xc3(`,
		"raw \x9b C1":             `raw \x9b C1`,
		"tag \U000e0041":          `tag \U000e0041`,
		"the real \ufffd stays":   "the real \ufffd stays",
		`a \x1b that was written`: `a \x1b that was written`,
	} {
		if got := Printable(in); got != want {
			t.Errorf("Printable(%q) = %s, want %s", in, got, want)
		}
	}
}

// obeyed finds what a terminal might obey.
func obeyed(s string) bool {
	return !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Bidi_Control, r)
	})
}

func FuzzPrintable(f *testing.F) {
	for _, s := range []string{"plain", "\x1b]0;title\x07", "\u009b2J", "\u202e", "\xff", `"\u009b"`, `{"a":"` + "\u202e\U000e0041" + `"}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		shown := Printable(s)
		if obeyed(shown) {
			t.Errorf("Printable(%q) = %q", s, shown)
		}
		if again := Printable(shown); again != shown {
			t.Errorf("Printable twice: %q, then %q", shown, again)
		}
		line := printableJSON([]byte(s))
		var before, after any
		if err := json.Unmarshal(line, &after); err != nil || obeyed(string(line)) {
			t.Fatalf("printableJSON(%q) = %q, %v", s, line, err)
		}
		if json.Unmarshal([]byte(s), &before) == nil && !reflect.DeepEqual(before, after) {
			t.Errorf("printableJSON(%q) = %q: not equal", s, line)
		}
	})
}

func shown(t *testing.T, view View, files ...string) []string {
	t.Helper()
	var out bytes.Buffer
	if err := Show(&out, files, view); err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
}

func TestShow(t *testing.T) {
	l := openLog(t, Options{Path: trailPath(t), Now: newClock().Now})
	sent, received := int64(1536), int64(10)
	ended := decision()
	ended.Event.Action, ended.Event.Outcome, ended.Event.Duration = ActionOutcome, "success", 1_234_567_890
	ended.Source.Bytes, ended.Destination = &sent, &Endpoint{Bytes: &received}
	odd := decision()
	odd.URL, odd.Sepproxy.Services = &URL{Original: "GET \x1b"}, nil
	odd.Sepproxy.Would, odd.Sepproxy.Count = "not_listed", 12
	for _, r := range []*Record{decision(), ended, odd, lifecycle(LifecycleStop, "stopped by a signal", l.now()), {Event: Event{Action: ActionDecision}}} {
		if err := l.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		"2026-11-23T14:55:01.123Z decision allow catalog            10.0.0.7 CONNECT https://ent-shasta-rrs.symantec.com:443 agent.insight",
		"2026-11-23T14:55:01.123Z outcome  allow catalog            10.0.0.7 CONNECT https://ent-shasta-rrs.symantec.com:443 agent.insight success sent=1.5KiB received=10B 1.235s",
		`2026-11-23T14:55:01.123Z decision allow catalog            10.0.0.7 CONNECT GET \x1b - would=not_listed count=12`,
		"2026-11-23T14:55:01.123Z lifecycle stop stopped by a signal",
		"2026-11-23T14:55:01.123Z decision                          - - - -",
	}
	if got := shown(t, View{}, l.opts.Path); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// hostile is a text that would do harm in every place where a client's text can stand.
const hostile = "\x1b[2J\u009b31m\u202e\x7f\xff\x07\n\r"

func TestHostileTextIsNotObeyed(t *testing.T) {
	l := openLog(t, Options{Path: trailPath(t)})
	r := decision()
	r.URL = &URL{Scheme: hostile, Domain: hostile, Path: "/" + hostile}
	r.HTTP.Request.Method, r.Source.IP, r.Message = hostile, hostile, hostile
	r.Sepproxy.Services, r.Sepproxy.Reason, r.Sepproxy.Verdict, r.Event.Reason = []string{hostile}, hostile, hostile, hostile
	if err := l.Write(r); err != nil {
		t.Fatal(err)
	}
	odd := filepath.Join(t.TempDir(), "odd.jsonl")
	writeFile(t, odd, "not json "+strings.ReplaceAll(hostile, "\n", ""), "\n", "{\r\n", "{\"a\":\r \"\u202e\"}\n")
	for name, view := range map[string]View{"text": {}, "json": {JSON: true}} {
		lines := shown(t, view, l.opts.Path, odd)
		if len(lines) != 4 {
			t.Errorf("%s: %d lines for 4: %q", name, len(lines), lines)
		}
		for _, line := range lines {
			if obeyed(line) {
				t.Errorf("%s: %q", name, line)
			}
			if name == "json" && !json.Valid([]byte(line)) {
				t.Errorf("not JSON: %q", line)
			}
		}
	}
}

func TestShowJSONIsTheRecord(t *testing.T) {
	l := openLog(t, Options{Path: trailPath(t)})
	write(t, l, 1)
	if got, want := shown(t, View{JSON: true}, l.opts.Path), readLines(t, l.opts.Path); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// screen is where Tail prints.
type screen struct {
	mu  sync.Mutex
	out bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.Write(p)
}

// sequences gives the records printed so far, in JSON.
func (s *screen) sequences() []uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []uint64
	for line := range strings.Lines(s.out.String()) {
		r, err := ParseLine([]byte(line))
		if err != nil {
			return nil
		}
		list = append(list, r.Event.Sequence)
	}
	return list
}

// follow tails path until the test ends.
func follow(t *testing.T, path string, last int) *screen {
	t.Helper()
	s := &screen{}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- Tail(ctx, s, path, View{JSON: true, Last: last}) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *screen) mustShow(t *testing.T, first, last uint64) {
	t.Helper()
	var want []uint64
	for n := first; n <= last; n++ {
		want = append(want, n)
	}
	eventually(t, "the records on the screen", func() bool { return slices.Equal(s.sequences(), want) })
}

func TestTailFollowsThroughRotation(t *testing.T) {
	l := openLog(t, Options{Path: trailPath(t)})
	write(t, l, 5)
	s := follow(t, l.opts.Path, 2)
	s.mustShow(t, 4, 5)
	write(t, l, 1)
	s.mustShow(t, 4, 6)
	if err := l.Rotate(); err != nil {
		t.Fatal(err)
	}
	write(t, l, 1)
	s.mustShow(t, 4, 8)
	if err := os.Rename(l.opts.Path, l.opts.Path+".1"); err != nil {
		t.Fatal(err)
	}
	write(t, l, 1)
	if err := l.Reopen(); err != nil {
		t.Fatal(err)
	}
	write(t, l, 1)
	s.mustShow(t, 4, 11)
}

func TestTailWaitsForTheFileAndForWholeLines(t *testing.T) {
	lines := makeTrail(t, trailPath(t), "proxy-1", 3)
	path := trailPath(t)
	s := follow(t, path, 10)
	writeFile(t, path, lines[0], lines[1][:50])
	s.mustShow(t, 1, 1)
	appendTo(t, path, lines[1][50:])
	s.mustShow(t, 1, 2)
}

func TestLastLines(t *testing.T) {
	path := trailPath(t)
	text := "one\n" + strings.Repeat("x", 100<<10) + "\nthree\nhalf"
	writeFile(t, path, text)
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for n, want := range map[int]string{0: "half", 1: "three\nhalf", 3: text, 4: text} {
		if at, err := lastLines(f, n); err != nil || text[at:] != want {
			t.Errorf("%d lines begin at %d, %v", n, at, err)
		}
	}
}
