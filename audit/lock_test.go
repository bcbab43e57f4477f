package audit

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// hold is the second process: it has the trail open until its standard input ends.
func hold(path string) int {
	l, err := Open(Options{Path: path})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("open")
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := l.Close(); err != nil {
		return 1
	}
	return 0
}

func startHolder(t *testing.T, path string) (said string, end func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), holdTrail+"="+path)
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err1 != nil || err2 != nil || cmd.Start() != nil {
		t.Fatal("cannot start a second process")
	}
	said, _ = bufio.NewReader(out).ReadString('\n')
	return strings.TrimSpace(said), func() {
		in.Close()
		_ = cmd.Wait()
	}
}

func TestSecondProcessIsRefused(t *testing.T) {
	path := trailPath(t)
	l := openLog(t, Options{Path: path})
	write(t, l, 1)
	said, end := startHolder(t, path)
	end()
	if want := fmt.Sprintf("process %d writes this trail already", os.Getpid()); !strings.Contains(said, want) {
		t.Errorf("the second process said %q, want %q", said, want)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	said, end = startHolder(t, path)
	defer end()
	if said != "open" {
		t.Fatalf("after Close, another process said %q", said)
	}
	if second, err := Open(Options{Path: path}); err == nil {
		second.Close()
		t.Error("this process got in beside it")
	}
}
