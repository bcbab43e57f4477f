package audit

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// found is what Verify says of a file made of these lines: "line: message" for each problem.
func found(t *testing.T, lines ...string) []string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	writeFile(t, path, lines...)
	result, err := Verify(context.Background(), []string{path})
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, p := range result.Problems {
		if p.File != path {
			t.Errorf("a problem of %s, want it in %s", p.File, path)
		}
		list = append(list, fmt.Sprintf("%d: %s", p.Line, p.Message))
	}
	return list
}

// tenLines is a trail to tamper with; every line has its newline.
func tenLines(t *testing.T, hostname string) []string {
	t.Helper()
	lines := makeTrail(t, trailPath(t), hostname, 10)
	lines[9] += "\n"
	return lines
}

func TestTampering(t *testing.T) {
	edited := func(line string) string { return strings.Replace(line, "10.0.0.7", "10.0.0.9", 1) }
	resealed := func(previous, line string) string {
		_, before, _ := unseal([]byte(strings.TrimSuffix(previous, "\n")))
		body, _, _ := unseal([]byte(strings.TrimSuffix(line, "\n")))
		joined := append(before[:], body...)
		return string(appendSeal(joined, seal(joined))[len(before):])
	}
	other := tenLines(t, "another-proxy")
	for name, c := range map[string]struct {
		tamper func(l []string) []string
		want   []string // how the problems begin
	}{
		"nothing": {func(l []string) []string { return l }, nil},
		"edit":    {func(l []string) []string { l[3] = edited(l[3]); return l }, []string{"4: the line does not fit its chain"}},
		"edit of the first line": {func(l []string) []string { l[0] = edited(l[0]); return l },
			[]string{"1: the line does not fit its chain"}},
		"edit of the last line": {func(l []string) []string { l[9] = edited(l[9]); return l },
			[]string{"10: the line does not fit its chain"}},
		"edit with its own chain recomputed": {func(l []string) []string { l[3] = resealed(l[2], edited(l[3])); return l },
			[]string{"5: the line does not fit its chain"}},
		"white space": {func(l []string) []string { l[3] = strings.Replace(l[3], ":", ": ", 1); return l },
			[]string{"4: the line does not fit its chain"}},
		"a space behind the line": {func(l []string) []string { l[3] = strings.TrimSuffix(l[3], "\n") + " \n"; return l },
			[]string{"4: the line was changed, it is not an audit record: it does not end with its chain"}},
		"a line overwritten": {func(l []string) []string { l[3] = "nothing to see here\n"; return l },
			[]string{"4: the line was changed, it is not an audit record"}},
		"a line deleted":        {func(l []string) []string { return slices.Delete(l, 3, 4) }, []string{"4: records 4 to 4 are missing"}},
		"three lines deleted":   {func(l []string) []string { return slices.Delete(l, 3, 6) }, []string{"4: records 4 to 6 are missing"}},
		"the beginning cut off": {func(l []string) []string { return l[2:] }, []string{"1: lines are missing before this one"}},
		"two lines exchanged": {func(l []string) []string { l[3], l[4] = l[4], l[3]; return l },
			[]string{"4: records 4 to 4 are missing", "5: record 4 stands behind record 5", "6: records 5 to 5 are missing"}},
		"a line repeated":      {func(l []string) []string { return slices.Insert(l, 4, l[3]) }, []string{"5: record 4 stands behind record 4"}},
		"another trail's line": {func(l []string) []string { l[3] = other[3]; return l }, []string{"4: the line does not fit", "5: the line does not fit"}},
		"spliced":              {func(l []string) []string { return append(l[:5:5], other[5:]...) }, []string{"6: the line does not fit its chain"}},
		"an empty line":        {func(l []string) []string { return slices.Insert(l, 3, "\n") }, []string{"4: the line was changed", "5: record 4 stands behind"}},
		"a monstrous line": {func(l []string) []string { l[3] = strings.Repeat("x", 3*MaxLine) + "\n"; return l },
			[]string{"4: the line was changed, it is not an audit record: the line is longer"}},
		"torn": {func(l []string) []string { l[9] = l[9][:40]; return l }, []string{"10: torn"}},
		"the last newline gone": {func(l []string) []string { l[9] = strings.TrimSuffix(l[9], "\n"); return l },
			[]string{"10: torn"}},
		"torn in the middle": {func(l []string) []string { l[3] = l[3][:40] + "\n"; return l }, []string{"4: the line was changed"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := found(t, c.tamper(tenLines(t, "proxy-1"))...)
			if !slices.EqualFunc(got, c.want, strings.HasPrefix) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

// threeFiles gives the files of a trail with three records in each.
func threeFiles(t *testing.T, hostname string) []string {
	t.Helper()
	l := openLog(t, Options{Path: trailPath(t), Hostname: hostname})
	for range 2 {
		write(t, l, 2)
		if err := l.Rotate(); err != nil {
			t.Fatal(err)
		}
	}
	write(t, l, 2)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := Files(l.opts.Path)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// An intact copy beside a file hides nothing of what was done to it.
func TestTamperingBesideAnIntactCopy(t *testing.T) {
	path := trailPath(t)
	lines := makeTrail(t, path, "proxy-1", 6)
	writeFile(t, path+".1", append(lines, "\n")...)
	if result, err := VerifyTrail(t.Context(), path); err != nil || !result.OK() {
		t.Fatalf("%+v, %v", result, err)
	}
	lines[3] = strings.Replace(lines[3], "10.0.0.7", "10.0.0.8", 1)
	writeFile(t, path, append(lines, "\n")...)
	for name, verify := range map[string]func() (Result, error){
		"the trail":      func() (Result, error) { return VerifyTrail(t.Context(), path) },
		"the files":      func() (Result, error) { return Verify(t.Context(), []string{path, path + ".1"}) },
		"in other order": func() (Result, error) { return Verify(t.Context(), []string{path + ".1", path}) },
	} {
		result, err := verify()
		if err != nil || result.OK() || result.Problems[0].File != path || result.Problems[0].Line != 4 {
			t.Errorf("%s: %+v, %v", name, result.Problems, err)
		}
	}
}

func TestTamperingAcrossFiles(t *testing.T) {
	ctx := context.Background()
	files, other := threeFiles(t, "proxy-1"), threeFiles(t, "another-proxy")
	for _, c := range []struct {
		name  string
		files []string
		line  int
		want  string // of the first problem; "" if there is none
	}{
		{"all", files, 0, ""},
		{"in another order", []string{files[2], files[0], files[1]}, 0, ""},
		{"one twice", []string{files[0], files[1], files[2], files[1]}, 0, ""},
		{"the end is not missed", files[:2], 0, ""},
		{"one missing", []string{files[0], files[2]}, 1, "records 3 to 5 are missing"},
		{"one of another trail", []string{files[0], other[1], files[2]}, 1, "does not fit"},
		{"one that does not exist", append(slices.Clone(files), files[0]+".no"), 0, "cannot be read"},
	} {
		result, err := Verify(ctx, c.files)
		switch {
		case err != nil:
			t.Error(err)
		case c.want == "" && !result.OK():
			t.Errorf("%s: %v", c.name, result.Problems)
		case c.want != "" && (result.OK() || result.Problems[0].Line != c.line || !strings.Contains(result.Problems[0].Message, c.want)):
			t.Errorf("%s: got %v, want %q in line %d", c.name, result.Problems, c.want, c.line)
		}
	}
}

func TestRotatedFileCutShortIsFound(t *testing.T) {
	files := threeFiles(t, "proxy-1")
	lines := readLines(t, files[1])
	writeFile(t, files[1], lines[:2]...)
	result, err := Verify(context.Background(), files)
	if err != nil || len(result.Problems) != 1 || result.Problems[0].File != files[2] || !strings.Contains(result.Problems[0].Message, "records 5 to 5 are missing") {
		t.Errorf("got %+v, %v", result, err)
	}
}

func TestCompressedFileCutShortIsFound(t *testing.T) {
	files := threeFiles(t, "proxy-1")
	packed := files[0] + gzipSuffix
	if err := writeGzip(t.Context(), files[0], packed); err != nil {
		t.Fatal(err)
	}
	lines := strings.Join(readLines(t, packed), "")
	writeFile(t, packed, lines[:len(lines)-6])
	result, err := Verify(context.Background(), []string{packed, files[1], files[2]})
	if err != nil || result.OK() || result.Problems[0].File != packed {
		t.Errorf("got %+v, %v", result, err)
	}
}

func TestProblemsAreBounded(t *testing.T) {
	result := Result{}
	v := Verifier{result: result}
	for range maxProblems + 7 {
		v.problem("again")
	}
	if len(v.result.Problems) != maxProblems || v.result.More != 7 {
		t.Errorf("%d problems and %d more", len(v.result.Problems), v.result.More)
	}
}

func TestVerifyStops(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Verify(ctx, threeFiles(t, "proxy-1")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestVerifyWhileItIsWritten(t *testing.T) {
	l := openLog(t, Options{Path: trailPath(t), Rotate: Rotate{Size: 20 << 10}})
	done := make(chan struct{})
	go func() {
		defer close(done)
		write(t, l, 500)
	}()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		if l.Stats().Sequence == 0 {
			continue
		}
		result, err := Verify(context.Background(), []string{l.opts.Path})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range result.Problems {
			if !strings.HasPrefix(p.Message, "torn") && !strings.Contains(p.Message, "no such file") {
				t.Error(p)
			}
		}
	}
	mustVerify(t, l.opts.Path)
}
