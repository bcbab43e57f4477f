package tunnel

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// The model knows what a tunnel has to do whatever its two ends do, in whatever order: bytes arrive
// once, in order and unchanged; an end arrives after the last byte; a reset arrives as a reset and is
// told by side; what is counted is what was handed over.
//
// A program is two bytes for each step: what is done, and how much of it.

func TestWhateverBothEndsDo(t *testing.T) {
	each(t, func(t *testing.T, start starter) {
		for seed := range uint64(40) {
			rnd := rand.New(rand.NewPCG(seed, 1))
			program := make([]byte, 2*(2+rnd.IntN(40)))
			for i := range program {
				program[i] = byte(rnd.Uint32())
			}
			t.Logf("program %d: %x", seed, program)
			play(t, start, program)
			if t.Failed() {
				return
			}
		}
	})
}

func FuzzWhateverBothEndsDo(f *testing.F) {
	f.Add([]byte{0, 0})
	f.Add([]byte{1, 40, 0, 255, 0, 255, 0, 255, 1, 200, 3, 255, 2, 9, 4, 0})
	f.Add([]byte{1, 0, 0, 255, 0, 255, 0, 255, 6, 0})
	f.Add([]byte{0, 3, 1, 255, 4, 0, 1, 255, 7, 0})
	f.Add([]byte{1, 3, 0, 255, 1, 255, 8, 0})
	start := carriers(f)["engine"]
	f.Fuzz(func(t *testing.T, program []byte) {
		if len(program) >= 2 && len(program) < 400 {
			play(t, over(t, start), program)
		}
	})
}

// A stream is one direction as the model sees it.
type stream struct {
	seed          byte
	written, read int
	ended         bool // the writer has half-closed
	endRead       bool // and the reader has seen that
}

// at gives n bytes of the stream, from where it is on.
func (s *stream) at(offset, n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = s.seed + byte((offset+i)*7) + byte((offset+i)>>8)
	}
	return p
}

// A player does to both ends of a tunnel what its program says.
type player struct {
	t     *testing.T
	ends  [2]*net.TCPConn
	flows [2]stream // by the end that writes
	moved [2]atomic.Int64
	tun   Tunnel
	ended chan Result
}

// Steps of a program; the others are writes, and the first of its steps is the setting.
const (
	stepReadAtOrigin = 2 + iota
	stepReadAtClient
	stepEndOfClient
	stepEndOfOrigin
	stepResetByClient
	stepResetByOrigin
	stepAbort
	steps = 24 // the last three are rare
)

func play(t *testing.T, start starter, program []byte) {
	p := &player{t: t, flows: [2]stream{{seed: 1}, {seed: 101}}}
	early := p.flows[0].at(0, int(program[1])*int(program[1]))
	p.flows[0].written = len(early)
	o := Options{Early: early, Moved: func(sent, received int) { p.moved[0].Add(int64(sent)); p.moved[1].Add(int64(received)) }}
	p.ends[0], p.ends[1], p.tun, p.ended = start(o)
	defer p.ends[0].Close()
	defer p.ends[1].Close()
	if program[0]%2 == 1 { // little room: everything gets stuck
		for _, c := range p.ends {
			_, _ = c.SetReadBuffer(48<<10), c.SetWriteBuffer(16<<10)
		}
	}
	for i := 2; i+1 < len(program); i += 2 {
		if p.step(int(program[i])%steps, int(program[i+1])*int(program[i+1])*4) {
			return
		}
	}
	p.finish()
}

// step does one step. True means that the tunnel is over and was judged.
func (p *player) step(what, size int) (over bool) {
	switch what {
	case stepReadAtOrigin, stepReadAtClient:
		p.read(what-stepReadAtOrigin, size)
	case stepEndOfClient, stepEndOfOrigin:
		p.end(what - stepEndOfClient)
	case stepResetByClient, stepResetByOrigin:
		p.reset(what - stepResetByClient)
		return true
	case stepAbort:
		p.abort()
		return true
	default:
		if what%5 < 2 {
			p.read(what%2, size) // what is read is read by no step of its own: most programs move much
		} else {
			p.write(what%2, size)
		}
	}
	return false
}

// write writes as much as is taken at once.
func (p *player) write(from, size int) {
	f := &p.flows[from]
	if f.ended {
		return
	}
	_ = p.ends[from].SetWriteDeadline(time.Now().Add(2 * time.Millisecond))
	n, err := p.ends[from].Write(f.at(f.written, size))
	f.written += n
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		p.t.Fatalf("writing at end %d: %v", from, err)
	}
}

// read reads some of what was written at the other end, or its end. Both have to come.
func (p *player) read(from, size int) {
	f := &p.flows[from]
	if f.endRead || size == 0 || (f.read == f.written && !f.ended) {
		return
	}
	n, err := p.receive(from, size)
	switch {
	case n > 0 && err == nil:
	case err == io.EOF && f.ended && f.read == f.written:
		f.endRead = true
	default:
		p.t.Fatalf("reading after %d of %d bytes (ended: %v): %d, %v", f.read, f.written, f.ended, n, err)
	}
}

// receive reads and compares.
func (p *player) receive(from, size int) (int, error) {
	f, c := &p.flows[from], p.ends[1-from]
	_ = c.SetReadDeadline(time.Now().Add(patience))
	buf := make([]byte, size)
	n, err := c.Read(buf)
	if !bytes.Equal(buf[:n], f.at(f.read, n)) {
		p.t.Fatalf("other bytes than were written, between %d and %d", f.read, f.read+n)
	}
	if f.read += n; f.read > f.written {
		p.t.Fatalf("%d bytes arrived, %d were written", f.read, f.written)
	}
	return n, err
}

func (p *player) end(from int) {
	if !p.flows[from].ended {
		p.flows[from].ended = true
		_ = p.ends[from].CloseWrite()
	}
}

// finish ends both directions: all has to arrive, and to be counted.
func (p *player) finish() {
	for from := range p.flows {
		p.end(from)
	}
	for !p.flows[0].endRead || !p.flows[1].endRead {
		p.read(0, 1<<20)
		p.read(1, 1<<20)
	}
	want := Result{Ended, int64(p.flows[0].written), int64(p.flows[1].written)}
	if got := p.result(); got != want {
		p.t.Errorf("result %+v, want %+v", got, want)
	}
}

// reset resets one end: the other one gets the reset, after bytes that were written, and reads no end
// that nobody has made.
func (p *player) reset(by int) {
	_ = p.ends[by].SetLinger(0)
	_ = p.ends[by].Close()
	p.readUntilItBreaks(by)
	_ = p.ends[1-by].Close() // if the tunnel has not seen the reset (the end came before), it ends now
	p.judge([]Cause{ClientReset, UpstreamReset}[by], p.flows[by].ended)
}

// abort aborts the tunnel: both ends get a reset.
func (p *player) abort() {
	p.tun.Abort()
	complete := p.flows[0].ended && p.flows[1].ended
	p.readUntilItBreaks(0)
	p.readUntilItBreaks(1)
	p.judge(Aborted, complete)
}

func (p *player) readUntilItBreaks(from int) {
	for !p.flows[from].endRead {
		_, err := p.receive(from, 1<<20)
		switch {
		case errors.Is(err, syscall.ECONNRESET):
			return
		case err == io.EOF && p.flows[from].ended && p.flows[from].read == p.flows[from].written:
			return
		case err == io.EOF && p.mayLoseReset():
			return
		case err != nil:
			p.t.Fatalf("after %d of %d bytes: %v, want a reset", p.flows[from].read, p.flows[from].written, err)
		}
	}
}

// mayLoseReset is the twin's one weakness: a socket tells its failure once, and a copy that writes to a
// side may take it before the one that reads there, and reads an end.
func (p *player) mayLoseReset() bool {
	_, is := p.tun.(*twin)
	return is && p.flows[0].written > 0 && p.flows[1].written > 0
}

// judge compares the result of a tunnel that broke. orEnded says that it may have been over before.
func (p *player) judge(want Cause, orEnded bool) {
	got := p.result()
	if got.Cause != want && !orEnded {
		p.t.Errorf("cause %v, want %v", got.Cause, want)
	}
	for i, n := range [2]int64{got.Sent, got.Received} {
		if n < int64(p.flows[i].read) || n > int64(p.flows[i].written) {
			p.t.Errorf("%d bytes counted; %d were written, %d were read", n, p.flows[i].written, p.flows[i].read)
		}
	}
}

// result gives the result, after comparing it with what Moved was told.
func (p *player) result() Result {
	r := result(p.t, p.ended)
	if told := [2]int64{p.moved[0].Load(), p.moved[1].Load()}; told != [2]int64{r.Sent, r.Received} {
		p.t.Errorf("told of %d bytes, result %+v", told, r)
	}
	return r
}
