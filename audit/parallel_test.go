package audit

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// mapped is what Map makes of r, in the form of scanned.
func mapped(r io.Reader) (lines []string, err error) {
	shown := func(l *Line, s *string) {
		if *s = string(l.raw) + "\n"; l.Record == nil {
			*s = "?" + string(l.raw)
		}
	}
	err = Map(context.Background(), r, shown, func(n int, line *string) error {
		if n != len(lines)+1 {
			return errors.New("lines are not counted from 1")
		}
		lines = append(lines, *line)
		return nil
	})
	return lines, err
}

func TestMapGivesTheLinesOfScanInTheirOrder(t *testing.T) {
	trail := strings.Join(tenLines(t, "proxy-1"), "")
	random := rand.New(rand.NewPCG(1, 2))
	for name, text := range map[string]string{
		"nothing":         "",
		"no newline":      trail[:len(trail)-1],
		"empty lines":     "\n\n" + trail,
		"many blocks":     strings.Repeat(trail, 300),
		"a long line":     strings.Repeat("x", MaxLine-1) + "\n" + trail,
		"too long a line": trail + strings.Repeat("x", MaxLine) + "\n" + trail,
		"much too long":   trail + strings.Repeat("x", 5*MaxLine) + "\n" + trail + strings.Repeat("y", 3*MaxLine),
	} {
		want, err := scanned(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		var packed bytes.Buffer
		zip := gzip.NewWriter(&packed)
		if _, err := zip.Write([]byte(text)); err != nil || zip.Close() != nil {
			t.Fatal(err)
		}
		for how, r := range map[string]io.Reader{"whole": strings.NewReader(text), "gzip": &packed,
			"in halves": iotest.HalfReader(strings.NewReader(text)), "as it comes": &scraps{random, text}} {
			if got, err := mapped(r); err != nil || !slices.Equal(got, want) {
				t.Errorf("%s, %s: %v, %d lines, want %d", name, how, err, len(got), len(want))
			}
		}
	}
}

// scraps gives text in pieces of any size.
type scraps struct {
	random *rand.Rand
	text   string
}

func (s *scraps) Read(p []byte) (int, error) {
	if s.text == "" {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), 1+s.random.IntN(100_000))], s.text)
	s.text = s.text[n:]
	return n, nil
}

func TestMapEndsWithTheErrorOfTakeOrReader(t *testing.T) {
	text := strings.Repeat("x\n", 1_000_000)
	calls := 0
	err := Map(t.Context(), strings.NewReader(text), func(*Line, *int) {}, func(int, *int) error {
		if calls++; calls == 5 {
			return errDisk
		}
		return nil
	})
	if err != errDisk || calls != 5 {
		t.Errorf("got %v after %d calls", err, calls)
	}
	got, err := mapped(io.MultiReader(strings.NewReader("a\nb\nc"), iotest.ErrReader(errDisk)))
	if !errors.Is(err, errDisk) || !strings.HasPrefix(err.Error(), "reading line 4: ") || len(got) != 3 {
		t.Errorf("got %v after %q", err, got)
	}
	if _, err := mapped(strings.NewReader("\x1f\x8bnonsense")); err == nil {
		t.Error("nonsense passes for gzip")
	}
}

func TestMapEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	forever := &scraps{rand.New(rand.NewPCG(1, 2)), strings.Repeat("x\n", 5_000_000)}
	err := Map(ctx, forever, func(*Line, *int) {}, func(n int, _ *int) error {
		if n == 100 {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// A seal that was computed beside a line says no more than the chain itself: whichever line of a trail of
// many blocks is changed, it is found where it stands.
func TestVerifyOfManyBlocksFindsEachChange(t *testing.T) {
	path := trailPath(t)
	lines := makeTrail(t, path, "proxy-1", 2000)
	lines[len(lines)-1] += "\n"
	if size := len(strings.Join(lines, "")); size < 3*blockSize {
		t.Fatalf("the trail has only %d bytes", size)
	}
	mustVerify(t, path)
	border := slices.Index(lines, lineAt(lines, blockSize))
	for _, n := range []int{1, border - 1, border, border + 1, 1000, len(lines) - 1} {
		for what, change := range map[string]func(lines []string) []string{
			"changed":  func(l []string) []string { l[n] = strings.Replace(l[n], "10.0.0.7", "10.0.0.8", 1); return l },
			"removed":  func(l []string) []string { return slices.Delete(l, n, n+1) },
			"repeated": func(l []string) []string { return slices.Insert(l, n, l[n]) },
		} {
			if what == "removed" && n == len(lines)-1 {
				continue // a cut-off end looks whole
			}
			writeFile(t, path, change(slices.Clone(lines))...)
			result, err := Verify(t.Context(), []string{path})
			at := n + 1
			if what == "repeated" {
				at++
			}
			if err != nil || len(result.Problems) != 1 || result.Problems[0].Line != at {
				t.Errorf("line %d %s: %v, %v", n+1, what, result.Problems, err)
			}
		}
	}
}

// lineAt gives the line in which the byte at this place stands.
func lineAt(lines []string, place int) string {
	for _, line := range lines {
		if place -= len(line); place < 0 {
			return line
		}
	}
	panic("there is no such place")
}

func FuzzBlocks(f *testing.F) {
	f.Add([]byte("a\nb"), 3)
	f.Add([]byte("\n\n"), 1)
	f.Add(bytes.Repeat([]byte("x"), 70<<10), 7)
	f.Fuzz(func(t *testing.T, text []byte, times int) {
		text = bytes.Repeat(text, max(1, min(times, 1+(3<<20)/(len(text)+1))))
		if isGzip(text[:min(2, len(text))]) {
			return
		}
		want, err := scanned(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := mapped(bytes.NewReader(text)); err != nil || !slices.Equal(got, want) {
			t.Errorf("%v, %d lines, want %d", err, len(got), len(want))
		}
	})
}

// Lines with the same memo are alike in all that a memo may be made of.
func TestMemoIsOfTheSameMembers(t *testing.T) {
	path := trailPath(t)
	l := openLog(t, Options{Path: path})
	for i := range 300 {
		r := decision()
		r.Source.IP = fmt.Sprintf("10.0.0.%d", i)
		r.URL.Domain = fmt.Sprintf("h%d.example.net", i%3)
		if i%5 == 0 {
			r.URL.Domain = "\"odd\"" // escaped: encoding/json's, and no memo
		}
		if err := l.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	type seen struct {
		domain, memo string
		fresh        bool
	}
	remembered, fresh := 0, 0
	err = Map(t.Context(), f, func(l *Line, s *seen) {
		*s = seen{domain: l.Record.URL.Domain}
		if l.Memo == nil {
			return
		}
		if s.fresh = *l.Memo == nil; s.fresh {
			*l.Memo = strings.Clone(s.domain)
		}
		s.memo = (*l.Memo).(string)
	}, func(_ int, s *seen) error {
		if s.memo != "" {
			remembered++
		}
		if s.fresh {
			fresh++
		}
		if (s.memo == "") != (s.domain == `"odd"`) || s.memo != "" && s.memo != s.domain {
			t.Errorf("%+v", *s)
		}
		return nil
	})
	if err != nil || remembered != 240 || fresh != 3 {
		t.Errorf("%v, %d remembered, %d of them for the first time", err, remembered, fresh)
	}
}
