package upstream

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// Bounds of the cache.
const (
	maxNames    = 10_000           // the policy bounds the names, except with wildcards and observe mode
	minTTL      = time.Second      // for what says less: many requests of one moment share an answer
	maxTTL      = time.Hour        // for what says more
	negativeTTL = 10 * time.Second // how long a name is known not to exist (RFC 2308 allows hours)
	staleFor    = 5 * time.Minute  // how long an expired answer serves while resolvers fail (RFC 8767)
)

// An answer is what resolvers say of a name: addresses, or that there are none.
type answer struct {
	addresses []netip.Addr
	ttl       time.Duration
}

type entry struct {
	addresses []netip.Addr // nil: the name has none
	expires   time.Time
}

// A cache holds answers for as long as they may be held.
type cache struct {
	mu      sync.RWMutex
	entries map[string]entry
	flights singleflight.Group
}

func (c *cache) get(host string) (entry, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	e, ok := c.entries[host]
	return e, ok
}

func (c *cache) put(host string, e entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for other := range c.entries { // in random order
		if len(c.entries) < maxNames {
			break
		}
		delete(c.entries, other)
	}
	c.entries[host] = e
}

// lookup gives the addresses of host, from the cache or from resolvers: one query for all who want
// the same name at the same time. Who leaves early does not end it for the others.
func (u *Upstream) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	if e, ok := u.cache.get(host); ok && u.cfg.Now().Before(e.expires) {
		return e.result(host)
	}
	flight := u.cache.flights.DoChan(host, func() (any, error) { return u.refresh(host) })
	select {
	case r := <-flight:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(entry).result(host)
	case <-ctx.Done():
		return nil, &net.DNSError{Err: context.Cause(ctx).Error(), Name: host, IsTimeout: errors.Is(ctx.Err(), context.DeadlineExceeded)}
	}
}

func (e entry) result(host string) ([]netip.Addr, error) {
	if len(e.addresses) == 0 {
		return nil, &net.DNSError{Err: "the name has no address", Name: host, IsNotFound: true}
	}
	return e.addresses, nil
}

// refresh asks, and falls back to what was known when nobody answers.
func (u *Upstream) refresh(host string) (entry, error) {
	ctx, cancel := context.WithTimeout(context.Background(), u.cfg.Timeout)
	defer cancel()
	a, err := u.ask(ctx, host)
	now := u.cfg.Now()
	if err != nil {
		if old, ok := u.cache.get(host); ok && len(old.addresses) > 0 && now.Before(old.expires.Add(staleFor)) {
			return old, nil
		}
		return entry{}, &net.DNSError{Err: err.Error(), Name: host, IsTimeout: ctx.Err() != nil, IsTemporary: true}
	}
	ttl := min(max(a.ttl, minTTL), maxTTL)
	if len(a.addresses) == 0 {
		ttl = negativeTTL
	}
	e := entry{addresses: a.addresses, expires: now.Add(ttl)}
	u.cache.put(host, e)
	return e, nil
}
