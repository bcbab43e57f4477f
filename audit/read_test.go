package audit

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
)

// scanned is what Scan makes of r: each line, with a mark for those that are no records.
func scanned(r io.Reader) (lines []string, err error) {
	err = Scan("test", r, func(n int, raw []byte, rec *Record) error {
		if n != len(lines)+1 {
			return errors.New("lines are not counted from 1")
		}
		if rec == nil {
			lines = append(lines, "?"+string(raw))
		} else {
			lines = append(lines, string(raw)+"\n")
		}
		return nil
	})
	return lines, err
}

func TestScanPlainAndGzip(t *testing.T) {
	trail := tenLines(t, "proxy-1")
	text := strings.Join(trail[:5], "") + "odd\n" + strings.Join(trail[5:], "")
	var packed bytes.Buffer
	for _, part := range []string{text[:100], text[100:]} { // two members, as cat makes them
		zip := gzip.NewWriter(&packed)
		if _, err := zip.Write([]byte(part)); err != nil || zip.Close() != nil {
			t.Fatal(err)
		}
	}
	want := slices.Insert(trail, 5, "?odd")
	for name, r := range map[string]io.Reader{"plain": strings.NewReader(text), "gzip": &packed} {
		if got, err := scanned(r); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, got %q", name, err, got)
		}
	}
}

func TestScanGivesTheErrorOfItsFunction(t *testing.T) {
	calls := 0
	err := Scan("test", strings.NewReader("a\nb\n"), func(int, []byte, *Record) error { calls++; return errDisk })
	if err != errDisk || calls != 1 {
		t.Errorf("got %v after %d calls", err, calls)
	}
}

func TestLinesAreBounded(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []int // lengths
	}{
		"nothing":           {"", nil},
		"no newline":        {"abc", []int{3}},
		"empty lines":       {"\n\n", []int{0, 0}},
		"as long as may be": {strings.Repeat("x", MaxLine-1) + "\nabc", []int{MaxLine - 1, 3}},
		"longer":            {strings.Repeat("x", 5*MaxLine) + "\nabc\n", []int{MaxLine - 1, 3}},
	} {
		var got []int
		err := Scan(name, strings.NewReader(c.text), func(_ int, raw []byte, _ *Record) error {
			got = append(got, len(raw))
			return nil
		})
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: lengths %v, %v, want %v", name, got, err, c.want)
		}
	}
}

func FuzzLines(f *testing.F) {
	f.Add([]byte("a\nb"))
	f.Add([]byte("\n\n"))
	f.Add([]byte("\x1f\x8b\x08"))
	f.Add(bytes.Repeat([]byte("x"), 70<<10))
	f.Fuzz(func(t *testing.T, text []byte) {
		in, err := newLineReader(bytes.NewReader(text))
		if err != nil {
			return // begins like gzip and is none
		}
		var all []byte
		for {
			line, err := in.next()
			if err != nil {
				if err == io.EOF && !isGzip(text[:min(2, len(text))]) && !bytes.Equal(all, text) {
					t.Errorf("read %q of %q", all, text)
				}
				return
			}
			if len(line.raw) >= MaxLine || bytes.IndexByte(line.raw, '\n') >= 0 {
				t.Errorf("a line of %d bytes", len(line.raw))
			}
			all = append(all, line.raw...)
			if line.long { // its rest is left out
				return
			}
			if line.ended {
				all = append(all, '\n')
			}
		}
	})
}
