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
	negativeTTL = 10 * time.Second // the same for names without an address: who adds one waits for it
)

// When resolvers fail, or take their time, an expired answer serves (RFC 8767 §5).
const (
	staleFor   = 5 * time.Minute         // for this long after it expired
	staleAfter = 1800 * time.Millisecond // once resolvers were waited for this long
	retryAfter = 30 * time.Second        // and without asking again for this long after they failed
)

type entry struct {
	addresses []netip.Addr // none: the name has none; not to be changed, many read it
	fresh     time.Time    // until then nobody is asked
	stale     time.Time    // until then it serves while nobody answers
}

// A cache holds answers for as long as they may be held.
type cache struct {
	mu      sync.RWMutex
	entries map[string]entry
	flights singleflight.Group
}

func (c *cache) get(host string) entry {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.entries[host]
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
	known, now := u.cache.get(host), u.cfg.Now()
	if now.Before(known.fresh) {
		return known.result(host)
	}
	if now.Before(known.stale) {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, staleAfter)
		defer cancel()
	}
	flight := u.cache.flights.DoChan(host, func() (any, error) { return u.refresh(host) })
	select {
	case r := <-flight:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(entry).result(host)
	case <-ctx.Done():
		if u.cfg.Now().Before(known.stale) {
			return known.result(host)
		}
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
	if err == nil {
		e := a.entry(now)
		u.cache.put(host, e)
		return e, nil
	}
	old := u.cache.get(host)
	if !now.Before(old.stale) {
		return entry{}, &net.DNSError{Err: err.Error(), Name: host, IsTimeout: ctx.Err() != nil, IsTemporary: true}
	}
	if old.fresh = now.Add(retryAfter); old.fresh.After(old.stale) {
		old.fresh = old.stale
	}
	u.cache.put(host, old)
	return old, nil
}

// entry is what the cache holds of an answer. That a name has no address is never stale.
func (a answer) entry(now time.Time) entry {
	if len(a.addresses) == 0 {
		return entry{fresh: now.Add(min(max(a.ttl, minTTL), negativeTTL))}
	}
	expires := now.Add(min(max(a.ttl, minTTL), maxTTL))
	return entry{addresses: a.addresses, fresh: expires, stale: expires.Add(staleFor)}
}
