package policy

import (
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// allowing is a policy file that allows https://NAME.example.net on top of the catalog.
func allowing(name string) string {
	return `allow: [{url: "https://` + name + `.example.net"}]` + "\n"
}

// store is a Store with everything that it tells.
type store struct {
	*Store
	tb       testing.TB
	path     string
	applied  chan *Policy
	rejected chan error
}

func openStore(tb testing.TB, path string) *store {
	tb.Helper()
	s := &store{tb: tb, path: path, applied: make(chan *Policy, 1000), rejected: make(chan error, 1000)}
	var err error
	s.Store, err = NewStore(path, StoreOptions{
		Applied:  func(_, p *Policy) { s.applied <- p },
		Rejected: func(err error) { s.rejected <- err },
		Log:      func(err error) { tb.Log(err) },
		Now:      func() time.Time { return noon },
	})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// allows tells whether p allows https://NAME.example.net.
func allows(tb testing.TB, p *Policy, name string) bool {
	tb.Helper()
	return p.Decide(asking(tb, "127.0.0.1", name+".example.net:443")).Allow
}

func TestReloadPutsAChangedFileInForce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policy.yaml")
	write(t, path, allowing("one"))
	s := openStore(t, path)
	first := s.Current()
	write(t, path, allowing("two"))
	if err := s.Reload(); err != nil {
		t.Fatal(err)
	}
	if p := <-s.applied; p != s.Current() || p == first || allows(t, p, "one") || !allows(t, p, "two") || !allows(t, first, "one") {
		t.Error("another policy is in force than the one applied")
	}
	if err := s.Reload(); err != nil || len(s.applied) != 0 {
		t.Errorf("unchanged files were applied again (%v)", err)
	}
}

func TestABadFileLeavesThePolicyInForce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policy.yaml")
	write(t, path, allowing("one"))
	s := openStore(t, path)
	good := s.Current()
	for _, bad := range []string{"allow: [", "denny: []", "", " \n", "# being edited\n", "---\n", "null\n"} {
		write(t, path, bad)
		err := s.Reload()
		if err == nil || s.Current() != good {
			t.Fatalf("%q replaced a good policy (%v)", bad, err)
		}
		if told := <-s.rejected; told.Error() != err.Error() || !strings.HasPrefix(err.Error(), path+":") {
			t.Errorf("%q: Rejected was told %v, Reload returned %v", bad, told, err)
		}
		s.check()
		if len(s.rejected) != 0 {
			t.Errorf("%q was rejected twice", bad)
		}
	}
	write(t, path, allowing("one"))
	if err := s.Reload(); err != nil || s.Current() != good || len(s.applied) != 0 {
		t.Errorf("going back to what is in force is no change (%v)", err)
	}
}

func TestABadFileIsRejectedAgainAfterAGoodOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policy.yaml")
	write(t, path, "mode: enforce")
	s := openStore(t, path)
	for range 2 {
		write(t, path, "allow: [")
		s.check()
		s.check()
		if len(s.rejected) != 1 {
			t.Fatalf("rejected %d times", len(s.rejected))
		}
		<-s.rejected
		write(t, path, "mode: enforce")
		s.check()
	}
}

func TestNewStoreRefusesAnInvalidFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policy.yaml")
	write(t, path, "mode: watch")
	if _, err := NewStore(path, StoreOptions{}); err == nil || !strings.HasPrefix(err.Error(), path+":1:7: ") {
		t.Errorf("got %v", err)
	}
	write(t, path, "catalog: none.yaml")
	if _, err := NewStore(path, StoreOptions{}); err == nil || !strings.HasPrefix(err.Error(), path+":1:10: ") {
		t.Errorf("a missing catalog: got %v", err)
	}
}

func TestNewStoreWithoutItsFileDeniesUntilItAppears(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policy.yaml")
	s := openStore(t, path)
	if err := <-s.rejected; !strings.Contains(err.Error(), "everything is denied until there is") {
		t.Errorf("rejected: %v", err)
	}
	if s.Current() == nil || s.Current().Decide(asking(t, "127.0.0.1", "liveupdate.symantec.com:443")).Allow {
		t.Error("something passes without a policy")
	}
	write(t, path, allowing("one"))
	if err := s.Reload(); err != nil || !allows(t, s.Current(), "one") {
		t.Errorf("the file that appeared is not in force (%v)", err)
	}
}

func TestAStoreWithoutAPathHasTheBuiltinCatalog(t *testing.T) {
	s := openStore(t, "")
	if err := s.Reload(); err != nil || len(s.applied) != 0 {
		t.Errorf("there is nothing to reload (%v)", err)
	}
	if !s.Current().Decide(asking(t, "127.0.0.1", "liveupdate.symantec.com:443")).Allow {
		t.Error("the built-in catalog is not in force")
	}
}
