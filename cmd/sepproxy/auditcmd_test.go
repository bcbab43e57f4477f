package main

import (
	"context"
	"errors"
	"testing"
)

func TestAVerificationThatWasCutShortIsNoResult(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := defaultConfig()
	c.Audit.Path = "testdata/audit.jsonl"
	for name, files := range map[string][]string{"of the trail": nil, "of files": {"testdata/audit.jsonl"}} {
		if _, err := verify(ctx, c, files, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got error %v", name, err)
		}
	}
}
