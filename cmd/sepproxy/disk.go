package main

import (
	"context"
	"time"

	"go.uber.org/zap"
)

// The disk of the audit trail is looked at this often, and warned of while less than this share of it
// is free: a full disk stops everything, definitions too, under on_error: deny.
const (
	diskInterval = time.Minute
	diskLow      = 0.2
)

// watchDisk warns when the disk becomes low, and again each time it does so after it was not.
func (in *instance) watchDisk(ctx context.Context) {
	tick := time.NewTicker(diskInterval)
	defer tick.Stop()
	for low := false; ; {
		low = in.checkDisk(in.trail.DiskFreeRatio, low)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// checkDisk tells whether the disk is low; low is what it told the last time.
func (in *instance) checkDisk(ratio func() (float64, error), low bool) bool {
	free, err := ratio()
	if err != nil {
		return low // standard output has no disk, and other systems are not asked
	}
	now := free < diskLow
	if now && !low {
		in.log.Warn("the disk of the audit trail is filling up", zap.Float64("free_ratio", free), zap.String("path", in.config.Audit.Path))
	}
	return now
}
