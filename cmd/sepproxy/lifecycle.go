package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/dustin/go-humanize"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/sepproxy/sepproxy/audit"
	"github.com/sepproxy/sepproxy/internal/strictyaml"
	"github.com/sepproxy/sepproxy/policy"
	"github.com/sepproxy/sepproxy/proxy"
)

// newLogger logs to w: for people by default, JSON if asked. It is not the audit trail.
func newLogger(c logConfig, w io.Writer) *zap.Logger {
	ec := zap.NewProductionEncoderConfig()
	ec.EncodeTime = zapcore.RFC3339TimeEncoder
	ec.EncodeDuration = zapcore.StringDurationEncoder
	encoder := zapcore.NewJSONEncoder(ec)
	if c.Format == logConsole {
		ec.EncodeLevel = zapcore.CapitalLevelEncoder
		ec.ConsoleSeparator = " "
		encoder = zapcore.NewConsoleEncoder(ec)
	}
	return zap.New(zapcore.NewCore(encoder, zapcore.Lock(zapcore.AddSync(w)), c.Level.zap()))
}

// limitMemory keeps the Go runtime below the memory limit of the cgroup that it is in, if there is
// one and GOMEMLIMIT does not say otherwise, so that load costs garbage collection and not the process.
func (in *instance) limitMemory() {
	limit, err := memlimit.Set(memlimit.WithRatio(memoryShare))
	switch {
	case errors.Is(err, memlimit.ErrNoCgroup), errors.Is(err, memlimit.ErrNoLimit), errors.Is(err, memlimit.ErrCgroupsNotSupported):
	case err != nil:
		in.log.Warn("finding the memory limit of the cgroup", zap.Error(err))
	case limit < math.MaxInt64:
		in.log.Info("memory limit", zap.String("soft", humanize.IBytes(uint64(limit))))
	}
}

// memoryShare is the part of a memory limit that the Go runtime may take; the rest is the kernel's
// and the stacks'.
const memoryShare = 0.9

func openTrail(c auditConfig, stdout io.Writer, failed func(error)) (*audit.Log, error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("finding the host's name for the audit trail: %w", err)
	}
	checkpoints := audit.Checkpoints{Path: c.Checkpoint.Path, Every: time.Duration(c.Checkpoint.Every)}
	if c.Checkpoint.KeyFile != "" {
		if checkpoints.Key, err = audit.LoadPrivateKey(c.Checkpoint.KeyFile); err != nil {
			return nil, err
		}
	}
	return audit.Open(audit.Options{
		Checkpoint: checkpoints, Path: c.Path, Sync: c.Sync, SyncInterval: time.Duration(c.SyncInterval),
		Rotate: audit.Rotate{
			Size: int64(c.Rotate.Size), Every: time.Duration(c.Rotate.Every), Keep: time.Duration(c.Rotate.Keep),
			MaxTotal: int64(c.Rotate.MaxTotal), Compress: c.Rotate.Compress},
		Hostname: host, Version: buildVersion(), Stdout: stdout, OnError: failed,
	})
}

// proxyLimits fills in what depends on the machine: a tunnel takes two descriptors.
func (c *config) proxyLimits() proxy.Limits {
	l := proxy.Limits{
		Connections:          c.Limits.Connections,
		ConnectionsPerClient: c.Limits.ConnectionsPerClient,
		RequestsPerClient:    c.Limits.RequestsPerClient,
		HeaderBytes:          int(c.Limits.HeaderBytes),
	}
	if l.Connections == 0 {
		reserved := reservedDescriptors + pipeDescriptors*runtime.GOMAXPROCS(0)
		l.Connections = max(1, (descriptors()-reserved)/2)
	}
	return l
}

// Descriptors that are left for other things than tunnels: files, listeners, resolvers, metrics and
// refusals; and the pipes that each loop of the tunnels' engine borrows for bulk.
const (
	reservedDescriptors = 256
	pipeDescriptors     = 64
)

// lifecycle makes the record of something that happened to the proxy itself.
func lifecycle(category, what, message string) *audit.Record {
	return &audit.Record{
		Event:    audit.Event{Category: []string{category}, Action: audit.ActionLifecycle, Type: []string{lifecycleTypes[what]}},
		Message:  message,
		Sepproxy: audit.Sepproxy{Lifecycle: what},
	}
}

// lifecycleTypes gives the ECS event.type of each.
var lifecycleTypes = map[string]string{
	audit.LifecycleStart:          "start",
	audit.LifecycleStop:           "end",
	audit.LifecyclePolicyLoaded:   "change",
	audit.LifecyclePolicyRejected: "error",
	audit.LifecycleModeExpired:    "change",
}

func (in *instance) startRecord() *audit.Record {
	r := lifecycle("process", audit.LifecycleStart, "sepproxy "+buildVersion()+" started")
	r.Observer.Type, r.Observer.Product, r.Observer.Version = "proxy", "sepproxy", buildVersion()
	return r
}

// tellPolicy says in log and trail which policy is in force.
func (in *instance) tellPolicy(p *policy.Policy) error {
	if p.Revision() == "" {
		return nil // its rejection was told
	}
	services := p.InForce()
	endpoints := 0
	for _, s := range services {
		endpoints += len(s.Endpoints)
	}
	mode := p.Mode(time.Now())
	in.log.Info("policy in force", zap.String("revision", p.Revision()), zap.String("mode", mode),
		zap.String("file", in.policyName()), zap.Int("services", len(services)), zap.Int("endpoints", endpoints))
	for _, w := range in.config.warnings(p) {
		in.log.Warn("policy", zap.String("warning", w))
	}
	r := lifecycle("configuration", audit.LifecyclePolicyLoaded, fmt.Sprintf(
		"policy %s in force from %s: mode %s, %d services, %d endpoints", p.Revision(), in.policyName(), mode, len(services), endpoints))
	r.Sepproxy.Policy, r.Sepproxy.Mode = p.Revision(), mode
	return in.record(r)
}

func (in *instance) policyName() string {
	if in.config.Policy.Path == "" {
		return "the built-in catalog"
	}
	return in.config.Policy.Path
}

// policyApplied is told of every policy after the first.
func (in *instance) policyApplied(_, p *policy.Policy) {
	in.proxy.PolicyChanged()
	in.expiry.set(p)
	in.metrics.PolicyReload(true)
	in.logRecord(in.tellPolicy(p))
	in.status.policyLoaded()
}

// policyRejected is told of files that hold no policy; at the start, before there is anything to count with.
func (in *instance) policyRejected(err error) {
	message := brief(err)
	in.log.Error("policy rejected, the one in force stays", zap.String("error", message))
	in.status.policyRejected(message)
	r := lifecycle("configuration", audit.LifecyclePolicyRejected, message)
	if in.store != nil {
		r.Sepproxy.Policy = in.store.Current().Revision()
	}
	if in.metrics == nil {
		in.logRecord(in.trail.Write(r))
		return
	}
	in.metrics.PolicyReload(false)
	in.logRecord(in.record(r))
}

// maxMistakes is how many mistakes of a rejected policy are told; sepproxy check has them all.
const maxMistakes = 20

// brief is err in a length that fits into a record.
func brief(err error) string {
	mistakes, ok := errors.AsType[strictyaml.Mistakes](err)
	if !ok || len(mistakes) <= maxMistakes {
		return err.Error()
	}
	return fmt.Sprintf("%s\n… and %d more", mistakes[:maxMistakes].Error(), len(mistakes)-maxMistakes)
}

// modeExpired is called when the observation of p ends.
func (in *instance) modeExpired(p *policy.Policy) {
	in.proxy.PolicyChanged()
	in.log.Warn("observation ended: unlisted requests are denied from now on", zap.String("revision", p.Revision()))
	r := lifecycle("configuration", audit.LifecycleModeExpired, "observation ended: the mode is enforce from now on")
	r.Sepproxy.Policy, r.Sepproxy.Mode = p.Revision(), p.Mode(time.Now())
	in.logRecord(in.record(r))
}

func (in *instance) logRecord(err error) {
	if err != nil {
		in.auditFailed(err)
	}
}

// An expiry calls a function when the observation of the policy in force ends.
type expiry struct {
	ended func(*policy.Policy)
	mu    sync.Mutex
	timer *time.Timer
}

func newExpiry(ended func(*policy.Policy)) *expiry { return &expiry{ended: ended} }

// set forgets the policy before and looks after p.
func (e *expiry) set(p *policy.Policy) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.timer != nil {
		e.timer.Stop()
		e.timer = nil
	}
	if until, ok := p.ObserveUntil(); ok && p.Mode(time.Now()) == policy.ModeObserve {
		e.timer = time.AfterFunc(time.Until(until), func() { e.ended(p) })
	}
}

func (e *expiry) stop() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.timer != nil {
		e.timer.Stop()
	}
}
