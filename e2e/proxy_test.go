//go:build linux

package e2e_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// settings are what the tests vary of config.yaml; what is left empty gets a value that suits most.
type settings struct {
	policy string            // the content of policy.yaml
	hosts  map[string]string // upstream.hosts: IP or IP:port by name
	drain  string            // timeouts.drain
	audit  string            // path of the trail, in the proxy's directory unless absolute
	more   string            // further keys of the section audit, each beginning with a comma
	listen string            // further entries of listen, each beginning with a comma
	admin  string            // further keys of the section admin, each beginning with a comma
}

// A proxy is a running process under test with its files.
type proxy struct {
	t       testing.TB
	dir     string // of config.yaml, policy.yaml and, mostly, the trail
	trail   string // path of the current audit file
	address string // for clients
	admin   string // for metrics and health
	cmd     *exec.Cmd
	exited  chan struct{} // closed after the process ended and its log was read

	mu      sync.Mutex
	log     []logLine
	changed chan struct{} // closed and replaced with each line
}

// A logLine is what the tests look at of a line on standard error.
type logLine struct {
	Msg     string `json:"msg"`
	Address string `json:"address"`
	raw     string
}

// start writes the files into a new directory and runs the proxy until the test ends.
func start(t testing.TB, s settings) *proxy {
	t.Helper()
	return startIn(t, t.TempDir(), s)
}

// startIn is start in a directory that may hold a trail already.
func startIn(t testing.TB, dir string, s settings) *proxy {
	t.Helper()
	p := prepare(t, dir, s)
	p.run()
	return p
}

// prepare writes the files of a proxy and does not run it.
func prepare(t testing.TB, dir string, s settings) *proxy {
	t.Helper()
	if s.drain == "" {
		s.drain = "10s"
	}
	if s.policy == "" {
		s.policy = "mode: enforce\n"
	}
	if s.audit == "" {
		s.audit = "audit.jsonl"
	}
	p := &proxy{t: t, dir: dir, trail: s.audit, exited: make(chan struct{}), changed: make(chan struct{})}
	if !filepath.IsAbs(p.trail) {
		p.trail = filepath.Join(dir, p.trail)
	}
	var hosts []string
	for name, address := range s.hosts {
		hosts = append(hosts, fmt.Sprintf("%s: [%q]", name, address))
	}
	p.writeFile("config.yaml", fmt.Sprintf(`listen: [{address: "127.0.0.1:0"}%s]
admin: {address: "127.0.0.1:0"%s}
policy: {path: policy.yaml}
audit: {path: %q, sync: never%s}
upstream: {hosts: {%s}}
timeouts: {drain: %s}
limits: {requests_per_client: 0}
log: {format: json}
`, s.listen, s.admin, s.audit, s.more, strings.Join(hosts, ", "), s.drain))
	p.writeFile("policy.yaml", s.policy)
	return p
}

func (p *proxy) path(name string) string { return filepath.Join(p.dir, name) }

// config is the flag that every command wants.
func (p *proxy) config() string { return "--config=" + p.path("config.yaml") }

func (p *proxy) writeFile(name, content string) {
	p.t.Helper()
	if err := os.WriteFile(p.path(name), []byte(content), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// replacePolicy puts a new policy.yaml in place with a rename.
func (p *proxy) replacePolicy(content string) {
	p.t.Helper()
	p.writeFile("policy.yaml.new", content)
	if err := os.Rename(p.path("policy.yaml.new"), p.path("policy.yaml")); err != nil {
		p.t.Fatal(err)
	}
}

// run starts the process and waits until it serves.
func (p *proxy) run() {
	p.t.Helper()
	p.cmd = exec.Command(binary, "serve", p.config())
	p.cmd.Dir = p.dir
	p.cmd.Env = environment()
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	go func() {
		defer close(p.exited)
		p.readLog(stderr)
		_ = p.cmd.Wait() // code tells
	}()
	p.t.Cleanup(p.end)
	p.address = p.logged("listening for clients", 1).Address
	p.admin = p.logged("listening for metrics and health", 1).Address
	p.ask("/healthz") // is answered once everything is running
}

// end leaves nothing running, and fails the test for what is no log: a panic, or a data race.
func (p *proxy) end() {
	_ = p.cmd.Process.Kill() // it has ended in most tests
	<-p.exited
	for _, l := range p.lines() {
		if l.Msg == "" {
			p.t.Errorf("the proxy wrote %q", l.raw)
		}
	}
	if p.t.Failed() {
		for _, l := range p.lines() {
			p.t.Log(l.raw)
		}
	}
}

func (p *proxy) readLog(r io.Reader) {
	in := bufio.NewScanner(r)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		l := logLine{raw: in.Text()}
		_ = json.Unmarshal(in.Bytes(), &l) // without Msg it is reported by end
		p.mu.Lock()
		p.log = append(p.log, l)
		close(p.changed)
		p.changed = make(chan struct{})
		p.mu.Unlock()
	}
}

func (p *proxy) lines() []logLine {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log[:len(p.log):len(p.log)]
}

// said gives the log lines with one of the messages.
func (p *proxy) said(messages ...string) (found []logLine) {
	for _, l := range p.lines() {
		for _, m := range messages {
			if l.Msg == m {
				found = append(found, l)
			}
		}
	}
	return found
}

// logged waits for the n-th line with message, which is a signal that something has happened.
func (p *proxy) logged(message string, n int) logLine {
	p.t.Helper()
	return p.loggedAny(n, message)
}

func (p *proxy) loggedAny(n int, messages ...string) logLine {
	p.t.Helper()
	deadline := time.After(patience)
	for {
		p.mu.Lock()
		changed := p.changed
		p.mu.Unlock()
		if found := p.said(messages...); len(found) >= n {
			return found[n-1]
		}
		select {
		case <-changed:
		case <-p.exited:
			p.t.Fatalf("the proxy ended with code %d before it logged %q", p.code(), messages)
		case <-deadline:
			p.t.Fatalf("%q was not logged %d times within %v", messages, n, patience)
		}
	}
}

func (p *proxy) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatalf("sending %v: %v", s, err)
	}
}

// ended waits for the end of the process and gives its exit code, -1 if a signal killed it.
func (p *proxy) ended() int {
	p.t.Helper()
	select {
	case <-p.exited:
	case <-time.After(patience):
		p.t.Fatalf("the proxy still runs after %v", patience)
	}
	return p.code()
}

func (p *proxy) code() int { return p.cmd.ProcessState.ExitCode() }

// stop ends the proxy as a service manager does.
func (p *proxy) stop() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	if code := p.ended(); code != 0 {
		p.t.Errorf("SIGTERM ended the proxy with code %d, want 0", code)
	}
}

// ask gets a page of the admin listener.
func (p *proxy) ask(path string) (status int, body string) {
	p.t.Helper()
	resp, err := http.Get("http://" + p.admin + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

// metrics gives every sample of /metrics by its name and labels, as they are written there.
func (p *proxy) metrics() map[string]float64 {
	p.t.Helper()
	_, body := p.ask("/metrics")
	samples := map[string]float64{}
	for line := range strings.Lines(body) {
		var value float64
		i := strings.LastIndexByte(line, ' ')
		if strings.HasPrefix(line, "#") || i < 0 {
			continue
		}
		if _, err := fmt.Sscan(line[i+1:], &value); err == nil {
			samples[line[:i]] = value
		}
	}
	return samples
}
