package audit

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// mountPoint gives an empty directory to mount something at; what is there at the end is unmounted.
func mountPoint(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("not root: nothing can be mounted")
	}
	dir := t.TempDir()
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

// tinyDisk is a file system of 256 KiB.
func tinyDisk(t *testing.T) (dir string) {
	t.Helper()
	dir = mountPoint(t)
	if err := unix.Mount("none", dir, "tmpfs", 0, "size=256k"); errors.Is(err, unix.EPERM) {
		t.Skip("root here may not mount anything")
	} else if err != nil {
		t.Fatal(err)
	}
	return dir
}

// occupy takes all room but free bytes, and gives the file that does.
func occupy(t *testing.T, dir string, free int64) (path string) {
	t.Helper()
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, "hog")
	if err := os.WriteFile(path, make([]byte, int64(s.Bavail)*s.Bsize-free), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDiskThatIsReallyFull(t *testing.T) {
	for _, mode := range []SyncMode{SyncAlways, SyncInterval, SyncNever} {
		t.Run(string(mode), func(t *testing.T) {
			path := filepath.Join(tinyDisk(t), "audit.jsonl")
			l := openLog(t, Options{Path: path, Sync: mode, OnError: func(error) {}})
			write(t, l, 3)
			var refused int64
			for range 3 {
				hog := occupy(t, filepath.Dir(path), 8<<10)
				good, bad := overfill(l)
				if refused += bad; good == 0 || bad < 8 {
					t.Fatalf("%d records written, %d refused: want some of both", good, bad)
				}
				if err := l.Ready(); !errors.Is(err, unix.ENOSPC) {
					t.Errorf("readiness is %v, want no space", err)
				}
				mustVerify(t, path)
				if err := os.Remove(hog); err != nil {
					t.Fatal(err)
				}
				write(t, l, 1)
				if n := unrecorded(t, path); n != refused {
					t.Errorf("%d records are told of as missing, want %d", n, refused)
				}
				mustVerify(t, path)
			}
		})
	}
}

// unrecorded is what a trail says to be missing. The room that is left may be enough for one that says
// so, and not for a record behind it.
func unrecorded(t *testing.T, path string) (n int64) {
	t.Helper()
	for _, r := range records(t, path) {
		if r.Sepproxy.Resumed != nil {
			n += r.Sepproxy.Resumed.Unrecorded
		}
	}
	return n
}

// overfill has eight writers write until each was refused, and counts.
func overfill(l *Log) (good, bad int64) {
	var written, refused atomic.Int64
	var writers sync.WaitGroup
	for range 8 {
		writers.Go(func() {
			for l.Write(decision()) == nil {
				written.Add(1)
			}
			refused.Add(1)
		})
	}
	writers.Wait()
	return written.Load(), refused.Load()
}

// run is for tools that belong to the system.
func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", name, err, out)
	}
}

// An ext4 file system that meets an error makes itself read-only, for good: it has to be unmounted,
// repaired and mounted again. The log must not be in the way of that, and go on afterwards.
func TestFileSystemThatMakesItselfReadOnly(t *testing.T) {
	dir := mountPoint(t)
	for _, tool := range []string{"mkfs.ext4", "e2fsck", "mount", "findmnt"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is needed to make a file system", tool)
		}
	}
	image := filepath.Join(t.TempDir(), "image")
	writeFile(t, image)
	if err := os.Truncate(image, 16<<20); err != nil {
		t.Fatal(err)
	}
	run(t, "mkfs.ext4", "-q", image)
	if out, err := exec.Command("mount", "-o", "loop,errors=remount-ro", image, dir).CombinedOutput(); err != nil {
		t.Skipf("no loop devices here: %s", out)
	}
	source, err := exec.Command("findmnt", "-n", "-o", "SOURCE", dir).Output()
	if err != nil {
		t.Fatal(err)
	}
	device := filepath.Base(strings.TrimSpace(string(source)))
	path := filepath.Join(dir, "audit.jsonl")
	l := openLog(t, Options{Path: path, Sync: SyncAlways, OnError: func(error) {}})
	write(t, l, 3)

	writeFile(t, "/sys/fs/ext4/"+device+"/trigger_fs_error", "1")
	for range 3 {
		if err := l.Write(decision()); !errors.Is(err, unix.EROFS) {
			t.Fatalf("got %v, want a read-only file system", err)
		}
	}
	if err := unix.Unmount(dir, 0); err != nil {
		t.Fatalf("the log is in the way of a repair: %v", err)
	}
	_ = exec.Command("e2fsck", "-fy", image).Run() // 1 says that it repaired something; the mount tells the rest
	run(t, "mount", "-o", "loop", image, dir)
	write(t, l, 1)
	all := records(t, path)
	if len(all) != 5 || all[3].Sepproxy.Resumed == nil || all[3].Sepproxy.Resumed.Unrecorded != 3 {
		t.Errorf("%d records, want three, the resumption, one", len(all))
	}
	mustVerify(t, path)
}
