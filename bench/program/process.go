//go:build linux

package program

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// patience is how long a program may take until it listens.
const patience = 15 * time.Second

// A Process is a program that was started. Stop has to be called once.
type Process struct {
	In  io.WriteCloser // its standard input
	Out io.ReadCloser  // its standard output; ends with the process

	cmd    *exec.Cmd
	stderr string // the file of its standard error
	ended  chan struct{}
}

// Start runs command at a place, by way of self, the program that knows Enter. Standard error
// goes to a file in dir. When ctx is done, and when the runner dies, it is killed.
func Start(ctx context.Context, self, dir string, place Place, command ...string) (*Process, error) {
	at, err := json.Marshal(place)
	if err != nil {
		return nil, err
	}
	p := &Process{ended: make(chan struct{}), stderr: filepath.Join(dir, "stderr")}
	p.cmd = exec.CommandContext(ctx, self, append([]string{"enter", string(at)}, command...)...) //nolint:gosec // the runner's own list
	p.cmd.Dir = dir
	stderr, err := os.Create(p.stderr)
	if err != nil {
		return nil, err
	}
	defer stderr.Close()
	p.cmd.Stderr = stderr
	if p.In, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, child, err := os.Pipe() // StdoutPipe would be closed by Wait
	if err != nil {
		return nil, err
	}
	defer child.Close()
	p.Out, p.cmd.Stdout = out, child
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", command[0], err)
	}
	go func() {
		_ = p.cmd.Wait() // Said tells how it ended
		close(p.ended)
	}()
	return p, nil
}

// Stop kills the process and waits for its end.
func (p *Process) Stop() {
	_ = p.cmd.Process.Kill()
	<-p.ended
	p.Out.Close()
}

// PID is its process identifier.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Listening waits until the process accepts connections at address. Its error has what the process said.
func (p *Process) Listening(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err == nil {
			return c.Close()
		}
		select {
		case <-p.ended:
			return errors.New("it ended: " + p.Said())
		case <-ctx.Done():
			return fmt.Errorf("it does not listen on %s after %s: %s", address, patience, p.Said())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Said gives the last lines of what the process wrote to standard error, and how it ended if it did.
func (p *Process) Said() string {
	select {
	case <-p.ended:
		return strings.TrimSpace(p.wrote() + "\n" + p.cmd.ProcessState.String())
	default:
		return p.wrote()
	}
}

func (p *Process) wrote() string {
	text, err := os.ReadFile(p.stderr)
	if err != nil {
		return err.Error()
	}
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	return strings.TrimSpace(string(bytes.Join(lines[max(0, len(lines)-8):], []byte("\n"))))
}
