package policy

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"
)

// StoreOptions says what a Store tells, and whom. Every field may be left zero. The functions are
// called one at a time, in the order of events, and must not call the Store's Reload.
type StoreOptions struct {
	// Applied is called after a policy has been replaced by another; neither is nil. The first
	// policy is not announced.
	Applied func(before, after *Policy)
	// Rejected is called when the files hold no policy, once for each content of theirs; the
	// policy in force stays.
	Rejected func(err error)
	// Log is called when watching the files meets an obstacle. Changes are then found within a minute.
	Log func(err error)
	// Now gives the time; nil is time.Now.
	Now func() time.Time
}

// A Store holds the policy in force and replaces it, whole or not at all. Any number of
// goroutines may use it. NewStore makes it; it needs no closing.
type Store struct {
	path    string
	opts    StoreOptions
	current atomic.Pointer[Policy] // never nil

	mu       sync.Mutex  // held by the one reload
	applied  fingerprint // of the policy in force
	rejected fingerprint // of what was rejected since
	catalogs []string    // paths of the catalog files that the policy file named last
}

// A fingerprint stands for the content of a policy's files. The zero fingerprint is that of none.
type fingerprint [sha256.Size]byte

// NewStore loads the policy at path, as Load does. A file that is invalid is an error. A file that does not
// exist is told to Rejected, and a policy that denies everything is in force until Watch or Reload finds it.
func NewStore(path string, opts StoreOptions) (*Store, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	s := &Store{path: path, opts: opts}
	s.current.Store(nothing)
	src, err := read(path)
	if errors.Is(err, fs.ErrNotExist) {
		_ = s.reject(fingerprintOf(src, err), s.missing(err)) // Rejected was told; waiting is no error
		return s, nil
	}
	if err != nil {
		return nil, err
	}
	p, err := src.compile(opts.Now())
	if err != nil {
		return nil, err
	}
	s.current.Store(p)
	s.applied, s.catalogs = fingerprintOf(src, nil), src.catalogPaths()
	return s, nil
}

// Current gives the policy in force; never nil.
func (s *Store) Current() *Policy { return s.current.Load() }

// Reload reads the files and, if they have changed, puts the new policy in force. On an error,
// which Rejected is told as well, the policy in force stays.
func (s *Store) Reload() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rejected = fingerprint{} // whoever asks gets an answer, a second one if need be
	return s.reload()
}

// check is Reload for when nobody asked: what was rejected is not rejected again.
func (s *Store) check() {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.reload() // Rejected has been told
}

// paths gives the files that the policy depends on.
func (s *Store) paths() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string{s.path}, s.catalogs...)
}

func (s *Store) reload() error {
	src, err := read(s.path)
	sum := fingerprintOf(src, err)
	if sum == s.applied {
		s.rejected = fingerprint{}
		return nil
	}
	var p *Policy
	if err == nil {
		s.catalogs = src.catalogPaths()
		p, err = src.compile(s.opts.Now())
	} else {
		err = s.missing(err)
	}
	if err != nil {
		return s.reject(sum, err)
	}
	old := s.current.Swap(p)
	s.applied, s.rejected = sum, fingerprint{}
	if s.opts.Applied != nil {
		s.opts.Applied(old, p)
	}
	return nil
}

// missing explains an error from reading the policy file.
func (s *Store) missing(err error) error {
	switch {
	case !errors.Is(err, fs.ErrNotExist):
		return err
	case s.applied == fingerprint{}:
		return fmt.Errorf("there is no policy file %s, everything is denied until there is: %w", s.path, err)
	}
	return fmt.Errorf("the policy file %s is gone; the policy in force stays: %w", s.path, err)
}

// reject tells of err, unless it is about what was rejected last, and returns it.
func (s *Store) reject(sum fingerprint, err error) error {
	if sum != s.rejected && s.opts.Rejected != nil {
		s.opts.Rejected(err)
	}
	s.rejected = sum
	return err
}

// fingerprintOf is of what read gave: the content of all files, or why they could not be read.
func fingerprintOf(src *source, err error) fingerprint {
	if err != nil {
		return sha256.Sum256([]byte("error " + err.Error()))
	}
	content := fmt.Appendf(nil, "policy %d %s", len(src.data), src.data)
	for _, l := range src.layers {
		content = fmt.Appendf(content, " catalog %q %v %d %s", l.name, l.err, len(l.data), l.data)
	}
	return sha256.Sum256(content)
}

// catalogPaths gives the files that the catalog is made of.
func (s *source) catalogPaths() []string {
	var paths []string
	for _, l := range s.layers {
		if l.path != "" {
			paths = append(paths, l.path)
		}
	}
	return paths
}
