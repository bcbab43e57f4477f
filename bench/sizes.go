//go:build linux

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/sepproxy/sepproxy/bench/program"
	"github.com/sepproxy/sepproxy/catalog"
	"github.com/sepproxy/sepproxy/policy"
)

// sizes are numbers of names in a catalog. The first is about that of the vendor's page.
var sizes = []int{60, 1000, 10_000, 30_000, 100_000}

// Figures of the row catalog that the drawings use, too.
const (
	verdictFigure = "verdict ns, %s names"
	reloadFigure  = "loading ms, %s names"
)

func sizesFigures() (figures []string) {
	for _, n := range sizes {
		figures = append(figures, at(verdictFigure, n), at(reloadFigure, n))
	}
	return figures
}

// ourTree is for what is measured in this process, which has the code of the tree.
func ourTree(k *program.Kind) bool { return k.Name == "sepproxy" }

// measureSizes measures a verdict, and loading a policy whose catalog is a file, for each of sizes.
func measureSizes(b *bench, _ *program.Running) (values []float64, err error) {
	for _, n := range sizes {
		path, err := sized(b.site.Dir, max(b.scaled(n), 10))
		if err != nil {
			return nil, err
		}
		runtime.GC()
		begun := time.Now()
		p, err := policy.Load(path, begun)
		if err != nil {
			return nil, err
		}
		loading := time.Since(begun)
		verdict, err := verdictTime(p, b.scaled(100_000))
		if err != nil {
			return nil, err
		}
		values = append(values, float64(verdict.Nanoseconds()), loading.Seconds()*1e3)
	}
	return values, nil
}

// sized gives the policy file whose catalog has n names, a tenth of them wildcards, and writes it the first time.
func sized(dir string, n int) (string, error) {
	dir = filepath.Join(dir, fmt.Sprintf("catalog-%d", n))
	path := filepath.Join(dir, "policy.yaml")
	if err := os.Mkdir(dir, 0o750); errors.Is(err, fs.ErrExist) {
		return path, nil
	} else if err != nil {
		return "", err
	}
	service := catalog.Service{ID: "agent.many", Group: "agent", Title: catalog.Text{EN: "many", ES: "muchos"}}
	for i := range n {
		service.Endpoints = append(service.Endpoints, catalog.Endpoint{Scheme: "https", Host: nameOf(i), Port: 443})
	}
	group := catalog.Group{ID: "agent", Title: catalog.Text{EN: "agent", ES: "agente"}, Services: []catalog.Service{service}}
	f, err := os.Create(filepath.Join(dir, "catalog.yaml"))
	if err != nil {
		return "", err
	}
	err = catalog.Export(f, &catalog.Catalog{Edition: "many", Groups: []catalog.Group{group}}, "yaml", catalog.Options{})
	return path, errors.Join(err, f.Close(), os.WriteFile(path, []byte("catalog: catalog.yaml\n"), 0o600))
}

func nameOf(i int) string {
	name := fmt.Sprintf("host-%d.example.com", i)
	if i%10 == 9 {
		return "*." + name
	}
	return name
}

// verdictTime is the mean over a listed name, one under a wildcard and one that is not listed.
func verdictTime(p *policy.Policy, count int) (time.Duration, error) {
	var requests []policy.Request
	for _, authority := range []string{"host-8.example.com:443", "a.b.host-9.example.com:443", "a.b.c.other.example.com:443"} {
		target, err := policy.ParseAuthority(authority)
		if err != nil {
			return 0, err
		}
		requests = append(requests, policy.Request{Method: "CONNECT", Target: target, Client: netip.MustParseAddr("10.0.0.7"), Time: time.Now()})
	}
	allowed, begun := 0, time.Now()
	for range count {
		for _, r := range requests {
			if p.Decide(r).Allow {
				allowed++
			}
		}
	}
	took := time.Since(begun)
	if allowed != 2*count {
		return 0, fmt.Errorf("%d of %d requests were allowed, and it should be two thirds", allowed, 3*count)
	}
	return took / time.Duration(3*count), nil
}
