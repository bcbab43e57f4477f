package audit

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	nameTime   = "20060102T150405Z"
	gzipSuffix = ".gz"
	tempSuffix = ".gz.tmp" // a compression that a crash cut short
)

// rotatedName is the name that the file of path gets on rotation: audit.jsonl becomes
// audit-20261123T145501Z-000000000042.jsonl after time and sequence of its first record, so that
// names sort as the files follow one another.
func rotatedName(path string, born time.Time, first uint64) string {
	ext := filepath.Ext(path)
	return fmt.Sprintf("%s-%s-%012d%s", strings.TrimSuffix(path, ext), born.UTC().Format(nameTime), first, ext)
}

// A rotated is a file that rotation made.
type rotated struct {
	path       string
	born       time.Time
	first      uint64
	size       int64
	compressed bool
}

// rotatedFiles lists what rotation made of path, oldest first. Where a crash left a file and its
// compressed copy, the former counts.
func rotatedFiles(path string) ([]rotated, error) {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	var files []rotated
	for _, e := range entries { // sorted by name: x.jsonl comes before x.jsonl.gz
		r, ok := parseRotated(path, e.Name())
		info, err := e.Info()
		if !ok || err != nil || !info.Mode().IsRegular() {
			continue
		}
		r.size = info.Size()
		if n := len(files); n > 0 && files[n-1].path+gzipSuffix == r.path {
			continue
		}
		files = append(files, r)
	}
	slices.SortStableFunc(files, func(a, b rotated) int { return cmp.Compare(a.first, b.first) })
	return files, nil
}

var rotatedMiddle = regexp.MustCompile(`^-(\d{8}T\d{6}Z)-(\d{12,20})$`)

func parseRotated(path, name string) (rotated, bool) {
	ext := filepath.Ext(path)
	stem := strings.TrimSuffix(filepath.Base(path), ext)
	plain, compressed := strings.CutSuffix(name, gzipSuffix)
	middle, isExt := strings.CutSuffix(plain, ext)
	middle, isStem := strings.CutPrefix(middle, stem)
	m := rotatedMiddle.FindStringSubmatch(middle)
	if !isExt || !isStem || m == nil {
		return rotated{}, false
	}
	born, err1 := time.Parse(nameTime, m[1])
	first, err2 := strconv.ParseUint(m[2], 10, 64)
	r := rotated{path: filepath.Join(filepath.Dir(path), name), born: born, first: first, compressed: compressed}
	return r, err1 == nil && err2 == nil
}

// Files gives the files of the trail at path, oldest first, each once: what rotation made of it,
// compressed or not, what logrotate made of it (audit.jsonl.1, audit.jsonl-20261123,
// audit-20261123.jsonl) and the current file. It wraps fs.ErrNotExist if there are none.
func Files(path string) ([]string, error) {
	files, err := trailFiles(path)
	if err != nil {
		return nil, fmt.Errorf("looking for audit files: %w", err)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no audit file at %s: %w", path, fs.ErrNotExist)
	}
	return Order(files), nil
}

// trailFiles gives the files of the trail in no order, copies too.
func trailFiles(path string) ([]string, error) {
	own, err := rotatedFiles(path)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, r := range own {
		files = append(files, r.path)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	moved := logrotateNames(path)
	for _, e := range entries {
		if e.Type().IsRegular() && moved.MatchString(e.Name()) {
			files = append(files, filepath.Join(filepath.Dir(path), e.Name()))
		}
	}
	if _, err := os.Stat(path); err == nil {
		files = append(files, path)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return files, nil
}

func logrotateNames(path string) *regexp.Regexp {
	ext := filepath.Ext(path)
	base := regexp.QuoteMeta(filepath.Base(path))
	stem := regexp.QuoteMeta(strings.TrimSuffix(filepath.Base(path), ext))
	return regexp.MustCompile(`^(` + base + `[.-][0-9][0-9-]*|` + stem + `[.-][0-9][0-9-]*` + regexp.QuoteMeta(ext) + `)(\.gz)?$`)
}

// Order sorts audit files by the sequence of their first record. Files that begin with the same
// record are copies: the one that goes on longest stays. Files without a readable first record
// come last, in the order given; reading them tells what is wrong.
func Order(files []string) []string {
	type headed struct {
		path  string
		first uint64
		chain string
	}
	var all []headed
	for _, path := range files {
		h := headed{path: path, first: math.MaxUint64, chain: path}
		if r, err := firstRecord(path); err == nil {
			h.first, h.chain = r.Event.Sequence, r.Chain
		}
		copied := slices.IndexFunc(all, func(o headed) bool { return o.first == h.first && o.chain == h.chain })
		switch {
		case copied < 0:
			all = append(all, h)
		case lastSequence(path) > lastSequence(all[copied].path):
			all[copied] = h
		}
	}
	slices.SortStableFunc(all, func(a, b headed) int { return cmp.Compare(a.first, b.first) })
	ordered := make([]string, len(all))
	for i, h := range all {
		ordered[i] = h.path
	}
	return ordered
}

func lastSequence(path string) uint64 {
	e, err := endOf(path)
	if err != nil || e.last == nil {
		return 0
	}
	return e.last.Event.Sequence
}
