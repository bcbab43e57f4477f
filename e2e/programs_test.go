//go:build linux

package e2e_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// A visit is what a program is to fetch, and whom it may trust.
type visit struct {
	proxy     string // host:port
	url       string
	authority string // file of the certificate to trust
	spki      string // base64 of the SHA-256 of the server's public key
	leaf      string // hex of the SHA-256 of the server's certificate
	home      string // a directory of its own
}

// pinning makes the visit accept nothing but cert.
func (v visit) pinning(cert tls.Certificate) visit {
	key := sha256.Sum256(cert.Leaf.RawSubjectPublicKeyInfo)
	leaf := pin(cert.Leaf)
	v.spki, v.leaf = base64.StdEncoding.EncodeToString(key[:]), hex.EncodeToString(leaf[:])
	return v
}

// A program is an HTTP client that others wrote. Its arguments make it write the content of the
// visit's URL to standard output, and nothing if the server has another certificate.
type program struct {
	name    string
	command string
	debian  string // the package that has it
	browser bool   // it shows pages rather than fetching files, and asks for things of its own

	arguments func(visit) []string
	refused   []string // what it says when the proxy refuses a tunnel
	plainly   []string // what it says when the proxy refuses a plain request
}

const (
	statusField = `sepproxy; error=http_request_denied; details="not_listed"`
	bodyReason  = "reason: not_listed"
)

var programs = []program{
	{
		name: "curl", command: "curl", debian: "curl",
		arguments: func(v visit) []string {
			return []string{"--disable", "--verbose", "--silent", "--show-error", "--proxy", "http://" + v.proxy,
				"--cacert", v.authority, "--pinnedpubkey", "sha256//" + v.spki, v.url}
		},
		refused: []string{"CONNECT tunnel failed, response 403", statusField},
		plainly: []string{statusField, bodyReason},
	},
	{
		name: "wget", command: "wget", debian: "wget",
		arguments: func(v visit) []string {
			return []string{"--no-config", "--no-verbose", "--no-hsts", "--tries=1", "--server-response", "--content-on-error",
				"--output-document=-", "-e", "use_proxy=yes", "-e", "http_proxy=" + v.proxy, "-e", "https_proxy=" + v.proxy,
				"--ca-certificate=" + v.authority, "--pinnedpubkey=sha256//" + v.spki, v.url}
		},
		refused: []string{"Proxy tunneling failed: Forbidden"},
		plainly: []string{"403 Forbidden", statusField, bodyReason},
	},
	{
		name: "python urllib", command: "python3", debian: "python3",
		arguments: func(v visit) []string {
			return []string{"testdata/fetch.py", "urllib", v.proxy, v.url, v.authority, v.leaf}
		},
		refused: []string{"Tunnel connection failed: 403 Forbidden"},
		plainly: []string{"HTTP Error 403: Forbidden", statusField, bodyReason},
	},
	{
		name: "python http.client", command: "python3", debian: "python3",
		arguments: func(v visit) []string {
			return []string{"testdata/fetch.py", "http.client", v.proxy, v.url, v.authority, v.leaf}
		},
		refused: []string{"Tunnel connection failed: 403 Forbidden"},
		plainly: []string{"403", statusField, bodyReason},
	},
	{
		name: "node", command: "node", debian: "nodejs",
		arguments: func(v visit) []string {
			return []string{"testdata/fetch.js", v.proxy, v.url, v.authority, v.leaf}
		},
		refused: []string{"403 " + statusField, bodyReason},
		plainly: []string{"403 " + statusField, bodyReason},
	},
	{
		name: "java", command: "java", debian: "default-jdk-headless",
		arguments: func(v visit) []string {
			return []string{"-XX:TieredStopAtLevel=1", "testdata/Fetch.java", v.proxy, v.url, v.authority, v.leaf}
		},
		refused: []string{"403"},
		plainly: []string{"403", statusField, bodyReason},
	},
	{
		name: "chromium", command: "chromium", debian: "chromium", browser: true,
		arguments: func(v visit) []string {
			return []string{"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
				"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-default-apps",
				"--disable-extensions", "--disable-dev-shm-usage",
				"--disable-features=HttpsUpgrades,HttpsFirstBalancedModeAutoEnable", // they would ask for https first
				"--user-data-dir=" + v.home, "--proxy-server=http://" + v.proxy,
				"--ignore-certificate-errors-spki-list=" + v.spki, "--dump-dom", v.url}
		},
		refused: []string{"ERR_TUNNEL_CONNECTION_FAILED"},
		plainly: []string{bodyReason},
	},
}

// run gives what the program wrote to standard output, and that and standard error together.
func (p program) run(t testing.TB, v visit) (stdout []byte, all string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	v.home = t.TempDir()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, p.command, p.arguments(v)...)
	cmd.Env = withoutProxies(os.Environ(), v.home)
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // browsers have children
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	err := cmd.Run()
	if _, ran := errors.AsType[*exec.ExitError](err); err != nil && !ran || ctx.Err() != nil {
		t.Fatalf("running %s: %v\n%s", p.name, err, errs.String())
	}
	return out.Bytes(), out.String() + errs.String()
}

// withoutProxies leaves the programs nothing to find a proxy by but their arguments, and no
// settings of whoever runs the test.
func withoutProxies(environ []string, home string) (clean []string) {
	for _, variable := range environ {
		name, _, _ := strings.Cut(variable, "=")
		if !strings.HasSuffix(strings.ToLower(name), "_proxy") && name != "HOME" && !strings.HasPrefix(name, "LC_") && name != "LANG" {
			clean = append(clean, variable)
		}
	}
	return append(clean, "HOME="+home, "LC_ALL=C")
}
