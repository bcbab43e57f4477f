package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestADiskThatFillsUpIsWarnedOfOnceEachTime(t *testing.T) {
	var log bytes.Buffer
	in := &instance{config: defaultConfig(), log: newLogger(logConfig{Level: "info", Format: logConsole}, &log)}
	low := false
	for _, step := range []struct {
		free     float64
		err      error
		warnings int
	}{{0.5, nil, 0}, {0.21, nil, 0}, {0.19, nil, 1}, {0.1, nil, 1}, {0, errors.New("not asked"), 1}, {0.3, nil, 1}, {0.05, nil, 2}} {
		low = in.checkDisk(func() (float64, error) { return step.free, step.err }, low)
		if n := strings.Count(log.String(), "is filling up"); n != step.warnings {
			t.Errorf("at %v free: %d warnings, want %d", step.free, n, step.warnings)
		}
	}
}
