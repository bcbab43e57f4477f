package policy

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

const deadline = 10 * time.Second

// watching opens a Store on path and watches until the test ends.
func watching(t *testing.T, path string) *store {
	t.Helper()
	s := openStore(t, path)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Watch(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Watch: %v", err)
		}
		goleak.VerifyNone(t)
	})
	return s
}

// becomes waits for the policy that allows NAME.example.net, whatever is applied on the way, and
// tells how many policies that took.
func (s *store) becomes(name string) int {
	s.tb.Helper()
	late := time.After(deadline)
	for n := 1; ; n++ {
		select {
		case p := <-s.applied:
			if allows(s.tb, p, name) {
				return n
			}
		case <-late:
			s.tb.Fatalf("%s never came into force", name)
		}
	}
}

// complains waits for a rejection that says so.
func (s *store) complains(says string) {
	s.tb.Helper()
	late := time.After(deadline)
	for {
		select {
		case err := <-s.rejected:
			if strings.Contains(err.Error(), says) {
				return
			}
		case <-late:
			s.tb.Fatalf("nobody complained: %s", says)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func symlink(t *testing.T, target, link string) {
	t.Helper()
	if err := os.Symlink(target, link); err != nil {
		t.Skipf("no symbolic links here: %v", err)
	}
}

// replace renames text over path, as editors and configuration management do.
func replace(t *testing.T, path, text string) {
	t.Helper()
	write(t, path+".new", text)
	must(t, os.Rename(path+".new", path))
}

func TestWatchSeesEveryWayToChangeAFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "policy.yaml")
	write(t, path, allowing("zero"))
	s := watching(t, path)

	write(t, path, allowing("in-place"))
	s.becomes("in-place")
	replace(t, path, allowing("renamed-over"))
	s.becomes("renamed-over")
	replace(t, path, allowing("renamed-again"))
	s.becomes("renamed-again")
	must(t, os.Remove(path))
	s.complains("is gone; the policy in force stays")
	if !allows(t, s.Current(), "renamed-again") {
		t.Error("removing the file changed the policy")
	}
	write(t, path, allowing("recreated"))
	s.becomes("recreated")
	must(t, os.Rename(path, path+".old"))
	write(t, path, allowing("beside-its-backup"))
	s.becomes("beside-its-backup")
	write(t, path, "allow: [")
	s.complains("policy.yaml:")
	write(t, path, allowing("repaired"))
	s.becomes("repaired")
}

func TestWatchSeesWhatChangedBeforeItBegan(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policy.yaml")
	write(t, path, allowing("one"))
	s := openStore(t, path)
	write(t, path, allowing("two"))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Watch(ctx) }()
	s.becomes("two")
	cancel()
	must(t, <-ended)
}

func TestWatchSeesTheFileAndItsDirectoriesAppear(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "etc", "sepproxy", "policy.yaml")
	s := watching(t, path)
	write(t, path, allowing("appeared"))
	s.becomes("appeared")
	write(t, path, allowing("changed"))
	s.becomes("changed")
	must(t, os.RemoveAll(filepath.Join(dir, "etc")))
	s.complains("is gone")
	write(t, path, allowing("back"))
	s.becomes("back")
}

func TestWatchSeesItsDirectoryReplaced(t *testing.T) {
	dir := t.TempDir()
	live, next := filepath.Join(dir, "live"), filepath.Join(dir, "next")
	write(t, filepath.Join(live, "policy.yaml"), allowing("one"))
	write(t, filepath.Join(next, "policy.yaml"), allowing("two"))
	s := watching(t, filepath.Join(live, "policy.yaml"))
	write(t, filepath.Join(live, "policy.yaml"), allowing("watched"))
	s.becomes("watched")
	must(t, os.Rename(live, live+".old"))
	must(t, os.Rename(next, live))
	s.becomes("two")
	write(t, filepath.Join(live, "policy.yaml"), allowing("three"))
	s.becomes("three")
}

// A kubelet mounts a ConfigMap as policy.yaml -> ..data/policy.yaml and ..data -> ..TIMESTAMP, and
// updates it by renaming a new link over ..data.
func TestWatchSeesAConfigMapChange(t *testing.T) {
	mount := t.TempDir()
	publish := func(version, text string) {
		write(t, filepath.Join(mount, version, "policy.yaml"), text)
		symlink(t, version, filepath.Join(mount, "..data_tmp"))
		must(t, os.Rename(filepath.Join(mount, "..data_tmp"), filepath.Join(mount, "..data")))
	}
	publish("..v1", allowing("one"))
	symlink(t, filepath.Join("..data", "policy.yaml"), filepath.Join(mount, "policy.yaml"))
	s := watching(t, filepath.Join(mount, "policy.yaml"))
	for _, version := range []string{"two", "three", "four"} {
		publish("..v-"+version, allowing(version))
		s.becomes(version)
		must(t, os.RemoveAll(filepath.Join(mount, "..v1")))
	}
}

func TestWatchFollowsEveryLinkInAChain(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "real", "a.yaml"), allowing("zero"))
	write(t, filepath.Join(dir, "real", "b.yaml"), allowing("relinked"))
	write(t, filepath.Join(dir, "links", "empty"), "")
	symlink(t, filepath.Join("..", "real", "a.yaml"), filepath.Join(dir, "links", "second"))
	symlink(t, filepath.Join(dir, "links"), filepath.Join(dir, "dirlink"))
	symlink(t, filepath.Join("dirlink", "second"), filepath.Join(dir, "policy.yaml"))
	s := watching(t, filepath.Join(dir, "policy.yaml"))

	write(t, filepath.Join(dir, "real", "a.yaml"), allowing("target-written"))
	s.becomes("target-written")
	replace(t, filepath.Join(dir, "real", "a.yaml"), allowing("target-replaced"))
	s.becomes("target-replaced")
	symlink(t, filepath.Join("..", "real", "b.yaml"), filepath.Join(dir, "links", "new"))
	must(t, os.Rename(filepath.Join(dir, "links", "new"), filepath.Join(dir, "links", "second")))
	s.becomes("relinked")
	write(t, filepath.Join(dir, "other", "second"), allowing("dir-relinked"))
	must(t, os.Remove(filepath.Join(dir, "dirlink")))
	symlink(t, "other", filepath.Join(dir, "dirlink"))
	s.becomes("dir-relinked")
}

func TestWatchFollowsTheCatalogThatThePolicyNames(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "policy.yaml")
	catalogWith := func(name string) string {
		return strings.ReplaceAll(pocket, "insight.example.com", name+".example.net")
	}
	write(t, path, allowing("zero"))
	s := watching(t, path)

	first, second := filepath.Join(dir, "one", "catalog.yaml"), filepath.Join(dir, "two", "catalog.yaml")
	write(t, first, catalogWith("first"))
	write(t, path, "catalog: one/catalog.yaml\n")
	s.becomes("first")
	write(t, first, catalogWith("first-changed"))
	s.becomes("first-changed")
	write(t, path, "catalog: two/catalog.yaml\n")
	s.complains("policy.yaml:1:10: reading the catalog")
	write(t, second, catalogWith("second"))
	s.becomes("second")
	replace(t, second, "groups: oops")
	s.complains("catalog.yaml:1:9")
	replace(t, second, catalogWith("second-repaired"))
	s.becomes("second-repaired")
}

func TestWatchGathersABurstOfWrites(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policy.yaml")
	write(t, path, allowing("zero"))
	s := watching(t, path)
	write(t, path, allowing("watching"))
	s.becomes("watching")
	const writes = 200
	for i := range writes {
		write(t, path, allowing(fmt.Sprint("burst-", i)))
	}
	write(t, path, allowing("last"))
	// One, where the machine writes them without a pause; a slow machine has pauses.
	if n := s.becomes("last"); n > writes/10 {
		t.Errorf("%d writes made %d reloads", writes+1, n)
	}
}

func TestWatchDoesNotReloadWhatIsTheSame(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policy.yaml")
	write(t, path, allowing("one"))
	s := watching(t, path)
	write(t, path, allowing("two"))
	s.becomes("two")
	replace(t, path, allowing("two"))
	must(t, os.Chmod(path, 0o600))
	s.check() // what the watcher does when it gets there
	write(t, path, allowing("three"))
	if p := <-s.applied; !allows(t, p, "three") {
		t.Error("the same content was applied a second time")
	}
}

func TestAStormOfReloadsNeverGivesAWrongVerdict(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policy.yaml")
	storm := func(i int) string {
		return fmt.Sprintf(`{deny: [{url: "https://never.example.net"}], allow: [{url: "https://always.example.net"}, {url: "https://n%d.example.net"}]}`, i)
	}
	write(t, path, storm(0))
	s := watching(t, path)
	stop := make(chan struct{})
	var deciders sync.WaitGroup
	always, never := asking(t, "10.0.0.1", "always.example.net:443"), asking(t, "10.0.0.1", "never.example.net:443")
	for range 4 {
		deciders.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				p := s.Current()
				if v := p.Decide(always); !v.Allow || v.Policy != p.Revision() {
					t.Errorf("always: %+v", v)
					return
				}
				if v := p.Decide(never); v.Allow || v.Reason != ReasonDeniedByRule {
					t.Errorf("never: %+v", v)
					return
				}
			}
		})
	}
	for i := range 300 {
		if i%7 == 3 {
			write(t, path, "allow: [")
		} else {
			write(t, path, storm(i+1))
		}
		if err := s.Reload(); (err != nil) != (i%7 == 3) {
			t.Errorf("reload %d: %v", i, err)
		}
	}
	close(stop)
	deciders.Wait()
	if n := len(s.applied); n != 300-43 {
		t.Errorf("%d policies were applied, want %d", n, 300-43)
	}
}
