package audit

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// A notary is a place for checkpoints with the keys that belong to it.
type notary struct {
	path   string
	secret ed25519.PrivateKey
	public ed25519.PublicKey
}

func newNotary(t *testing.T) notary {
	t.Helper()
	dir := t.TempDir()
	key := filepath.Join(dir, "key")
	if err := GenerateKey(key); err != nil {
		t.Fatal(err)
	}
	secret, err := LoadPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	public, err := LoadPublicKey(key + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	return notary{filepath.Join(dir, "checkpoints.jsonl"), secret, public}
}

func (n notary) options(path string) Options {
	return Options{Path: path, Hostname: "proxy-1", Checkpoint: Checkpoints{Path: n.path, Every: time.Hour, Key: n.secret}}
}

func (n notary) read(t *testing.T) []Checkpoint {
	t.Helper()
	data, err := os.ReadFile(n.path)
	if err != nil {
		t.Fatal(err)
	}
	list, problems, err := ReadCheckpoints(n.path, bytes.NewReader(data), n.public)
	if err != nil || len(problems) > 0 {
		t.Fatalf("problems %v, %v", problems, err)
	}
	return list
}

// closed writes a trail of n records and a stop, with a checkpoint after each half.
func closed(t *testing.T, n notary, records int) (path string) {
	t.Helper()
	path = trailPath(t)
	l, err := Open(n.options(path))
	if err != nil {
		t.Fatal(err)
	}
	write(t, l, records/2)
	if err := l.checkpoint(); err != nil {
		t.Fatal(err)
	}
	if err := l.checkpoint(); err != nil { // nothing new: nothing to state
		t.Fatal(err)
	}
	write(t, l, records-records/2)
	writeStop(t, l)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// verdict verifies against the checkpoints and without, and gives the problems of both.
func (n notary) verdict(t *testing.T, path string) (with, without string) {
	t.Helper()
	for _, r := range []struct {
		checkpoints []Checkpoint
		out         *string
	}{{n.read(t), &with}, {nil, &without}} {
		result, err := Verify(t.Context(), []string{path}, r.checkpoints...)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range result.Problems {
			*r.out += p.String() + "\n"
		}
	}
	return with, without
}

func TestCheckpointsAgreeWithTheirTrail(t *testing.T) {
	n := newNotary(t)
	path := closed(t, n, 10)
	list := n.read(t)
	if len(list) != 2 || list[0].Sequence != 5 || list[1].Sequence != 11 || list[1].Hostname != "proxy-1" {
		t.Errorf("checkpoints %+v", list)
	}
	result, err := Verify(t.Context(), []string{path}, list...)
	if err != nil || !result.OK() || result.Agreed != 2 {
		t.Errorf("%+v, %v", result, err)
	}
}

// recomputed writes the lines anew with a chain that holds, as one can who knows the format.
func recomputed(t *testing.T, path string, change func(lines []string) []string) {
	t.Helper()
	previous := genesis
	var out []string
	for _, line := range change(linesOf(t, path)) {
		body, _, ok := unseal([]byte(line))
		if !ok {
			t.Fatalf("no record: %q", line)
		}
		chain := seal(append(append([]byte(nil), previous[:]...), body...))
		out = append(out, string(appendSeal(bytes.Clone(body), chain)))
		previous = chain
	}
	if err := os.WriteFile(path, []byte(strings.Join(out, "")), 0o600); err != nil {
		t.Fatal(err)
	}
}

// linesOf gives the lines of a file without their ends.
func linesOf(t *testing.T, path string) []string {
	t.Helper()
	lines := readLines(t, path)
	for i := range lines {
		lines[i] = strings.TrimSuffix(lines[i], "\n")
	}
	return lines
}

func TestWhatOnlyCheckpointsFind(t *testing.T) {
	for name, tc := range map[string]struct {
		tamper func(lines []string) []string
		want   string
	}{
		"a record changed, the chain computed anew": {func(lines []string) []string {
			lines[2] = strings.Replace(lines[2], `"verdict":"allow"`, `"verdict":"deny"`, 1)
			return lines
		}, "audit.jsonl:5: record 5 is not the one that the checkpoint of "},
		"the end cut off": {func(lines []string) []string { return lines[:8] }, "the end was cut off: the checkpoint of "},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNotary(t)
			path := closed(t, n, 10)
			recomputed(t, path, func(lines []string) []string { return lines })
			if with, without := n.verdict(t, path); with != "" || without != "" {
				t.Fatalf("computing anew without a change is found: %q, %q", with, without)
			}
			before := strings.Join(readLines(t, path), "\n")
			recomputed(t, path, tc.tamper)
			if strings.Join(readLines(t, path), "\n") == before {
				t.Fatal("nothing was changed")
			}
			with, without := n.verdict(t, path)
			if without != "" {
				t.Errorf("found without checkpoints, which nobody can: %s", without)
			}
			if !strings.Contains(with, tc.want) || strings.Count(with, "\n") != 1 {
				t.Errorf("with checkpoints: %q, want %q", with, tc.want)
			}
		})
	}
}

func TestCheckpointsThatAreNotTheKeysAreFound(t *testing.T) {
	n, other := newNotary(t), newNotary(t)
	closed(t, n, 4)
	good := linesOf(t, n.path)
	for name, line := range map[string]string{
		"a changed number":  strings.Replace(good[0], `"sequence":2`, `"sequence":3`, 1),
		"a changed host":    strings.Replace(good[0], "proxy-1", "proxy-2", 1),
		"no JSON":           "checkpoint",
		"cut short":         good[0][:40],
		"another member":    strings.Replace(good[0], `{`, `{"note":"x",`, 1),
		"two on a line":     good[0] + good[1],
		"another signature": strings.Replace(good[0], good[0][strings.Index(good[0], `"signature":"`)+13:][:8], "AAAAAAAA", 1),
	} {
		list, problems, err := ReadCheckpoints("c", strings.NewReader(line+"\n"+good[1]+"\n"), n.public)
		if err != nil || len(list) != 1 || len(problems) != 1 || problems[0].Line != 1 {
			t.Errorf("%s: %d checkpoints, problems %v, %v", name, len(list), problems, err)
		}
	}
	if list, problems, _ := ReadCheckpoints("c", strings.NewReader(good[0]+"\n"), other.public); len(list) != 0 || len(problems) != 1 {
		t.Errorf("with another key: %v, %v", list, problems)
	}
}

func TestAPlaceForCheckpointsThatIsAwayHoldsNothingUp(t *testing.T) {
	n := newNotary(t)
	n.path = filepath.Join(t.TempDir(), "away", "checkpoints.jsonl")
	var told []error
	o := n.options(trailPath(t))
	o.OnError = func(err error) { told = append(told, err) }
	l := openLog(t, o)
	write(t, l, 3)
	l.checkpointInBackground()
	write(t, l, 3)
	if len(told) != 1 || !strings.Contains(told[0].Error(), "writing a checkpoint") {
		t.Errorf("told %v", told)
	}
	if err := os.Mkdir(filepath.Dir(n.path), 0o755); err != nil {
		t.Fatal(err)
	}
	l.checkpointInBackground()
	if list := n.read(t); len(list) != 1 || list[0].Sequence != 6 {
		t.Errorf("checkpoints %+v", list)
	}
}

func TestKeysOfOthersAreRefused(t *testing.T) {
	dir := t.TempDir()
	key := filepath.Join(dir, "key")
	if err := GenerateKey(key); err != nil {
		t.Fatal(err)
	}
	if err := GenerateKey(key); err == nil {
		t.Error("a key was overwritten")
	}
	if _, err := LoadPrivateKey(key + ".pub"); err == nil {
		t.Error("a public key signs")
	}
	if _, err := LoadPublicKey(key); err == nil {
		t.Error("a private key was taken for a public one")
	}
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadPrivateKey(key); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a key that everybody may read: %v", err)
	}
}

// However the lines are bent, what is read from them is what was signed.
func FuzzReadCheckpoints(f *testing.F) {
	secret := ed25519.NewKeyFromSeed([]byte("a secret that everybody may know"))
	signed := Checkpoint{Time: newClock().Now(), Hostname: "proxy-1", Sequence: 42, Chain: genesis.String()}
	signed.Signature = ed25519.Sign(secret, signed.message())
	line, err := json.Marshal(signed)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(line)
	f.Add(slices.Concat(line, []byte("\n"), line[:50], []byte("\n"), line, line))
	f.Add([]byte(`{"@timestamp":"2026-11-23T12:00:00Z","hostname":"h","sequence":1,"chain":"00","signature":"AAAA"}` + "\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, _, _ := ReadCheckpoints("c", bytes.NewReader(data), secret.Public().(ed25519.PublicKey))
		for _, c := range list {
			if !bytes.Equal(c.message(), signed.message()) {
				t.Errorf("%+v was never signed", c)
			}
		}
	})
}

func TestACheckpointBehindHalfALineStandsOnItsOwn(t *testing.T) {
	n := newNotary(t)
	l := openLog(t, n.options(trailPath(t)))
	write(t, l, 1)
	if err := l.checkpoint(); err != nil {
		t.Fatal(err)
	}
	half := linesOf(t, n.path)[0][:60]
	appendTo(t, n.path, half)
	write(t, l, 1)
	if err := l.checkpoint(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(n.path)
	if err != nil {
		t.Fatal(err)
	}
	list, problems, err := ReadCheckpoints(n.path, bytes.NewReader(data), n.public)
	if err != nil || len(list) != 2 || len(problems) != 1 || problems[0].Line != 2 {
		t.Errorf("%d checkpoints, problems %v, %v", len(list), problems, err)
	}
}

// Whoever computes a trail anew may let it begin behind all that was stated.
func TestATrailThatNoCheckpointStatesIsFound(t *testing.T) {
	n := newNotary(t)
	l := openLog(t, n.options(trailPath(t)))
	write(t, l, 2)
	if err := l.checkpoint(); err != nil {
		t.Fatal(err)
	}
	list := n.read(t)
	if err := l.Rotate(); err != nil {
		t.Fatal(err)
	}
	write(t, l, 1)
	for _, c := range []struct {
		name        string
		checkpoints []Checkpoint
		want        string
	}{
		{"none", nil, ""},
		{"only of other records", list, "no checkpoint states any of the records 3 to 4"},
	} {
		result, err := Verify(t.Context(), []string{l.opts.Path}, c.checkpoints...)
		if err != nil || result.OK() != (c.want == "") || !result.OK() && !strings.Contains(result.Problems[0].Message, c.want) {
			t.Errorf("%s: %v, %v, want %q", c.name, result.Problems, err, c.want)
		}
	}
}

// The message is documented, so that others can check signatures: from nothing but the line itself.
func TestASignatureCanBeCheckedWithoutUs(t *testing.T) {
	n := newNotary(t)
	o := n.options(trailPath(t))
	o.Now = func() time.Time { return newClock().Now().In(time.FixedZone("far away", 5*3600+1800)) }
	l := openLog(t, o)
	write(t, l, 1)
	if err := l.checkpoint(); err != nil {
		t.Fatal(err)
	}
	var line map[string]any
	if err := json.Unmarshal([]byte(linesOf(t, n.path)[0]), &line); err != nil {
		t.Fatal(err)
	}
	message := fmt.Sprintf("sepproxy checkpoint 1\n%s\n%s\n%.0f\n%s\n", line["@timestamp"], line["hostname"], line["sequence"], line["chain"])
	signature, err := base64.StdEncoding.DecodeString(line["signature"].(string))
	if err != nil || !ed25519.Verify(n.public, []byte(message), signature) {
		t.Errorf("%v, the signature is not of %q", err, message)
	}
}

func TestVerifyTellsHowFarCheckpointsVouch(t *testing.T) {
	n := newNotary(t)
	l := openLog(t, n.options(trailPath(t)))
	write(t, l, 2)
	if err := l.checkpoint(); err != nil {
		t.Fatal(err)
	}
	write(t, l, 3)
	list := n.read(t)
	result, err := Verify(t.Context(), []string{l.opts.Path}, list...)
	if err != nil || !result.OK() || result.Covered != 2 || !result.CoveredAt.Equal(list[0].Time) || result.Last != 5 {
		t.Errorf("%+v, %v", result, err)
	}
}

func TestCheckpointsStateOnlyWhatAPowerCutCannotUndo(t *testing.T) {
	for _, mode := range []SyncMode{SyncAlways, SyncInterval, SyncNever} {
		t.Run(string(mode), func(t *testing.T) {
			n, m := newNotary(t), new(machine)
			o := n.options(trailPath(t))
			o.Sync, o.SyncInterval = mode, time.Hour
			l := m.start(t, o)
			for range 2 {
				write(t, l, 2)
				if err := l.Rotate(); err != nil {
					t.Fatal(err)
				}
			}
			write(t, l, 1)
			if err := l.checkpoint(); err != nil {
				t.Fatal(err)
			}
			write(t, l, 1)
			result, err := VerifyTrail(t.Context(), m.cut(t, l, losses["nothing of it"], nil), n.read(t)...)
			if err != nil || !result.OK() || result.Agreed == 0 {
				t.Errorf("%+v, %v", result, err)
			}
		})
	}
}

func TestPlacesWhereNoCheckpointsCanBe(t *testing.T) {
	n, path := newNotary(t), trailPath(t)
	for want, c := range map[string]Checkpoints{
		"a key":         {Path: n.path},
		"the same path": {Path: filepath.Join(filepath.Dir(path), ".", "audit.jsonl"), Key: n.secret},
	} {
		if l, err := Open(Options{Path: path, Checkpoint: c}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
			if err == nil {
				l.Close()
			}
		}
	}
}
