package audit

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// A Checkpoint is a signed statement, kept elsewhere, that a trail had a certain record at a certain
// time. It shows what the files alone cannot: that a chain was computed anew, or its end cut off.
type Checkpoint struct {
	Time      time.Time `json:"@timestamp"`
	Hostname  string    `json:"hostname"`
	Sequence  uint64    `json:"sequence"`  // of the record
	Chain     string    `json:"chain"`     // of the record
	Signature []byte    `json:"signature"` // Ed25519 over message, in base64
}

// Checkpoints say where they are kept. The zero value makes none.
type Checkpoints struct {
	Path  string             // a file that is only ever appended to; better on another machine
	Every time.Duration      // between two; 0 is one minute
	Key   ed25519.PrivateKey // that signs
}

// message is what is signed: a heading and the values, a line each. What a Log writes has the time in
// UTC, so that it stands in the message as it does in the file.
func (c *Checkpoint) message() []byte {
	return fmt.Appendf(nil, "sepproxy checkpoint 1\n%s\n%s\n%d\n%s\n", c.Time.UTC().Format(time.RFC3339Nano), c.Hostname, c.Sequence, c.Chain)
}

// Verify tells whether the owner of key made the checkpoint as it is.
func (c *Checkpoint) Verify(key ed25519.PublicKey) bool {
	return len(key) == ed25519.PublicKeySize && ed25519.Verify(key, c.message(), c.Signature)
}

// checkpoint appends a statement of what is on the disk. Where nothing came since the last one, there
// is nothing to state.
func (l *Log) checkpoint() error {
	if err := l.flushNow(); err != nil {
		return err
	}
	l.mu.Lock()
	at, stated := l.durable, l.stated
	l.mu.Unlock()
	if at.sequence == stated {
		return nil
	}
	c := Checkpoint{Time: l.now().UTC(), Hostname: l.opts.Hostname, Sequence: at.sequence, Chain: at.chain.String()}
	c.Signature = ed25519.Sign(l.opts.Checkpoint.Key, c.message())
	if err := c.append(l.opts.Checkpoint.Path); err != nil {
		return fmt.Errorf("writing a checkpoint of the audit trail: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stated = at.sequence
	return nil
}

func (l *Log) checkpointInBackground() {
	if err := l.checkpoint(); err != nil {
		l.report(err)
	}
}

// append opens the file each time: the place may come and go.
func (c *Checkpoint) append(path string) error {
	line, err := json.Marshal(c)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, filePerm)
	if err != nil {
		return err
	}
	if endsInside(f) {
		line = slices.Concat([]byte("\n"), line)
	}
	_, err = f.Write(append(line, '\n'))
	return errors.Join(err, f.Sync(), f.Close())
}

// endsInside tells whether a crash, or a full disk, left the end of f in the middle of a line.
func endsInside(f *os.File) bool {
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return false
	}
	var end [1]byte
	_, err = f.ReadAt(end[:], info.Size()-1)
	return err == nil && end[0] != '\n'
}

// check tells what is wrong with checkpoints of the trail at path.
func (c *Checkpoints) check(path string) error {
	if len(c.Key) != ed25519.PrivateKeySize {
		return errors.New("checkpoints need a key that signs them")
	}
	trail, err1 := filepath.Abs(path)
	mine, err2 := filepath.Abs(c.Path)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	if trail == mine {
		return errors.New("the trail and its checkpoints have the same path: keep checkpoints elsewhere")
	}
	return nil
}

// ReadCheckpoints reads the checkpoints in r, and checks that each was signed with key. name is for
// problems, which are lines that are no checkpoint, or not one of that key's; the last line may be
// cut short by a crash and counts as such a problem too. The error is r's.
func ReadCheckpoints(name string, r io.Reader, key ed25519.PublicKey) (list []Checkpoint, problems []Problem, err error) {
	in, err := newLineReader(r)
	if err != nil {
		return nil, nil, fmt.Errorf("reading checkpoints: %w", err)
	}
	for n := 1; ; n++ {
		line, err := in.next()
		if errors.Is(err, io.EOF) {
			return list, problems, nil
		}
		if err != nil {
			return list, problems, fmt.Errorf("reading checkpoints: %w", err)
		}
		c, err := parseCheckpoint(line.raw)
		switch {
		case err != nil:
			problems = append(problems, Problem{name, n, fmt.Sprintf("it is not a checkpoint (if a crash cut it short, take it out): %v", err)})
		case !c.Verify(key):
			problems = append(problems, Problem{name, n, "the checkpoint's signature is not of this key, or it was changed"})
		default:
			list = append(list, c)
		}
	}
}

func parseCheckpoint(line []byte) (c Checkpoint, err error) {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return c, err
	}
	if d.More() {
		return c, errors.New("something follows it on its line")
	}
	return c, nil
}

// compare holds a record against the checkpoints of its sequence number. One that does not agree
// speaks for all behind it.
func (v *Verifier) compare(sequence uint64, chain link) {
	for _, c := range v.checkpoints[sequence] {
		switch {
		case v.disagreed:
		case c.Chain == chain.String():
			v.result.Agreed++
			v.result.Covered, v.result.CoveredAt = sequence, c.Time
		default:
			v.disagreed = true
			v.problem("record %d is not the one that the checkpoint of %s states: it, or one before it, was changed and the chain computed anew",
				sequence, c.Time.UTC().Format(time.RFC3339))
		}
	}
}

// compareEnd finds checkpoints of records behind the last, and that there are checkpoints and not one
// of a record that is here: with a beginning far enough away one could get around them all.
func (v *Verifier) compareEnd() {
	var furthest *Checkpoint
	for sequence, list := range v.checkpoints {
		if sequence > v.result.Last && (furthest == nil || sequence > furthest.Sequence) {
			furthest = &list[0]
		}
	}
	v.line = 0
	switch {
	case furthest != nil:
		v.problem("the end was cut off: the checkpoint of %s states record %d, the files end with %d",
			furthest.Time.UTC().Format(time.RFC3339), furthest.Sequence, v.result.Last)
	case len(v.checkpoints) > 0 && v.result.Agreed == 0 && !v.disagreed:
		v.problem("no checkpoint states any of the records %d to %d: all are of others, before them", v.result.First, v.result.Last)
	}
}

func bySequence(list []Checkpoint) map[uint64][]Checkpoint {
	m := map[uint64][]Checkpoint{}
	for _, c := range list {
		m[c.Sequence] = append(m[c.Sequence], c)
	}
	return m
}
