package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/sepproxy/sepproxy/admin"
	"github.com/sepproxy/sepproxy/audit"
	"github.com/sepproxy/sepproxy/policy"
	"github.com/sepproxy/sepproxy/proxy"
	"github.com/sepproxy/sepproxy/proxy/upstream"
)

func serveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the proxy",
		Long: `Run the proxy until SIGTERM or SIGINT, which let open connections finish for timeouts.drain; a
second one ends them at once. SIGHUP reads policy and catalog again and reopens the audit trail.
Without a configuration it listens on 127.0.0.1:3128, allows the whole built-in catalog to private
addresses, and writes audit.jsonl in the current directory.`,
		Args: cobra.NoArgs,
	}
	load := configFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if runtime.GOOS != "linux" {
			return errors.New("serve runs on Linux; on this system check, explain, report, audit and catalog do")
		}
		c, err := load()
		if err != nil {
			return err
		}
		return serve(cmd.Context(), c, cmd.OutOrStdout(), cmd.ErrOrStderr())
	}
	return cmd
}

// An instance is a running proxy with everything that belongs to it.
type instance struct {
	config  *config
	log     *zap.Logger
	trail   *audit.Log
	store   *policy.Store
	metrics *admin.Metrics
	proxy   *proxy.Server
	expiry  *expiry
	token   string  // for the live page; "": none
	status  *status // for the live page
	workers sync.WaitGroup
	failed  chan error // of what serves; buffered
}

// serve runs the proxy until a signal, or ctx, ends it.
func serve(ctx context.Context, c *config, stdout, stderr io.Writer) (err error) {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer signal.Stop(signals)
	in := &instance{config: c, log: newLogger(c.Log, stderr), failed: make(chan error, len(c.Listen)+1)}
	defer func() { _ = in.log.Sync() }() // standard error needs none
	defer zap.RedirectStdLog(in.log.Named("net/http"))()
	in.limitMemory()
	if err := in.open(stdout); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.trail.Close()) }()
	listeners, err := listen(c)
	if err != nil {
		return failure{err}
	}
	if err := in.announce(listeners); err != nil {
		return failure{errors.Join(err, listeners.close())}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer in.workers.Wait()
	defer cancel()
	in.start(ctx, listeners)
	return in.await(ctx, signals)
}

// open takes up the audit trail, loads the policy and makes the proxy.
func (in *instance) open(stdout io.Writer) (err error) {
	c := in.config
	if in.token, err = c.Admin.token(); err != nil {
		return err
	}
	in.trail, err = openTrail(c.Audit, stdout, in.auditFailed)
	if err != nil {
		return failure{err}
	}
	in.status = in.newStatus()
	in.expiry = newExpiry(in.modeExpired)
	in.store, err = policy.NewStore(c.Policy.Path, policy.StoreOptions{
		Applied:  in.policyApplied,
		Rejected: in.policyRejected,
		Log:      func(err error) { in.log.Warn("watching the policy", zap.Error(err)) },
	})
	if err != nil {
		return errors.Join(err, in.trail.Close())
	}
	in.proxy = proxy.New(proxy.Config{
		Policy: in.store.Current, Record: in.record, PassUnrecorded: c.Audit.OnError == onErrorAllow,
		Upstream: upstream.Config{Hosts: c.hosts, Resolvers: c.resolvers, AllowCIDRs: c.allowed(), Bind: c.Upstream.Bind},
		SNI:      proxy.SNIMode(c.Tunnel.SNI),
		Timeouts: proxy.Timeouts{
			Header: time.Duration(c.Timeouts.Header), Connect: time.Duration(c.Timeouts.Connect),
			ClientHello: time.Duration(c.Timeouts.ClientHello),
			KeepAlive:   time.Duration(c.Timeouts.KeepAlive), Idle: time.Duration(c.Timeouts.Idle)},
		Limits:  c.proxyLimits(),
		Log:     in.log,
		Metrics: proxy.Metrics{Request: in.countRequest, TunnelBytes: in.countBytes, Dial: in.countDial},
	})
	in.metrics = admin.NewMetrics(admin.Gauges{
		Tunnels: in.proxy.TunnelsActive, Connections: in.proxy.ConnectionsActive,
		PolicyRevision: func() string { return in.store.Current().Revision() }, DiskFreeRatio: in.trail.DiskFreeRatio,
	})
	return nil
}

func (in *instance) countRequest(verdict, reason, service string) {
	in.metrics.Request(verdict, reason, service)
}

func (in *instance) countBytes(sent, received int) {
	in.metrics.TunnelBytes(admin.Sent, int64(sent))
	in.metrics.TunnelBytes(admin.Received, int64(received))
	in.status.sent.Add(int64(sent))
	in.status.received.Add(int64(received))
}

func (in *instance) countDial(d time.Duration) { in.metrics.UpstreamDial(d) }

// record writes to the trail and counts. Nobody may change the records afterwards: the live page looks at
// them later.
func (in *instance) record(records ...*audit.Record) error {
	if err := in.trail.Write(records...); err != nil {
		for range records {
			in.metrics.AuditError()
		}
		return err
	}
	for _, r := range records {
		in.metrics.AuditRecord(r.Event.Action)
		if in.config.Admin.Address != "" {
			in.status.day.Add(r)
		}
	}
	return nil
}

func (in *instance) auditFailed(err error) { in.log.Error("audit trail", zap.Error(err)) }

// sockets are what the proxy listens on.
type sockets struct {
	proxy []net.Listener
	admin net.Listener // nil: off
}

func listen(c *config) (s sockets, err error) {
	var clients net.ListenConfig
	clients.SetMultipathTCP(false) // it costs every connection, and agents do not use it
	for _, l := range c.Listen {
		ln, err := clients.Listen(context.Background(), "tcp", l.Address)
		if err != nil {
			return s, errors.Join(fmt.Errorf("listening for clients: %w", err), s.close())
		}
		s.proxy = append(s.proxy, ln)
	}
	if c.Admin.Address == "" {
		return s, nil
	}
	if s.admin, err = net.Listen("tcp", c.Admin.Address); err != nil {
		return s, errors.Join(fmt.Errorf("listening for metrics and health: %w", err), s.close())
	}
	return s, nil
}

func (s sockets) close() error {
	var errs []error
	for _, ln := range s.proxy {
		errs = append(errs, ln.Close())
	}
	if s.admin != nil {
		errs = append(errs, s.admin.Close())
	}
	return errors.Join(errs...)
}

// announce tells, in the log and in the trail, what is about to run.
func (in *instance) announce(s sockets) error {
	p := in.store.Current()
	for _, ln := range s.proxy {
		in.log.Info("listening for clients", zap.Stringer("address", ln.Addr()))
	}
	if s.admin != nil {
		in.proxy.Refuse(s.admin.Addr())
		in.log.Info("listening for metrics and health", zap.Stringer("address", s.admin.Addr()))
	}
	in.log.Info("file descriptors: the soft limit was raised to the hard one", zap.Int("limit", descriptors()),
		zap.Int("connections", in.config.proxyLimits().Connections))
	in.log.Info("audit trail", zap.String("path", in.config.Audit.Path), zap.String("on_error", string(in.config.Audit.OnError)))
	for _, err := range []error{in.record(in.startRecord()), in.tellPolicy(p)} {
		switch {
		case err == nil:
		case in.config.Audit.OnError == onErrorDeny:
			return fmt.Errorf("recording the start: %w", err)
		default:
			in.auditFailed(err)
		}
	}
	return nil
}

// start serves, watches the policy's files, and looks after the end of an observation.
func (in *instance) start(ctx context.Context, s sockets) {
	for _, ln := range s.proxy {
		in.workers.Go(func() { in.failed <- in.proxy.Serve(ln) })
	}
	if s.admin != nil {
		handler := admin.Handler(in.pages(s), in.metrics)
		in.workers.Go(func() { in.failed <- admin.Serve(ctx, s.admin, handler) })
		in.workers.Go(func() { in.status.day.Run(ctx) })
		in.workers.Go(func() { in.status.measure(ctx) })
	}
	in.workers.Go(func() {
		if err := in.store.Watch(ctx); err != nil && ctx.Err() == nil {
			in.log.Error("watching the policy: changes need SIGHUP now", zap.Error(err))
		}
	})
	in.workers.Go(func() { in.watchDisk(ctx) })
	in.expiry.set(in.store.Current())
	in.workers.Go(func() {
		<-ctx.Done()
		in.expiry.stop()
	})
}

// ready tells why requests would all be refused now, or nil.
func (in *instance) ready() error {
	switch {
	case in.store.Current().Revision() == "":
		return errors.New("there is no policy yet: everything is denied")
	case in.proxy.Draining():
		return errors.New("the proxy is stopping")
	case in.config.Audit.OnError == onErrorAllow:
		return nil
	}
	if err := in.trail.Ready(); err != nil {
		return fmt.Errorf("nothing passes unrecorded: %w", err)
	}
	return nil
}

// await handles signals until the proxy is to end, and ends it.
func (in *instance) await(ctx context.Context, signals <-chan os.Signal) error {
	for {
		select {
		case <-ctx.Done():
			return in.shutdown("the process was told to end", signals)
		case err := <-in.failed:
			if err == nil {
				err = errors.New("a listener ended by itself")
			}
			return errors.Join(failure{err}, in.shutdown(err.Error(), signals))
		case sig := <-signals:
			if sig != syscall.SIGHUP {
				return in.shutdown(sig.String(), signals)
			}
			in.reload()
		}
	}
}

// reload is SIGHUP.
func (in *instance) reload() {
	in.log.Info("reading the policy again, reopening the audit trail")
	if err := in.trail.Reopen(); err != nil {
		in.log.Error("reopening the audit trail", zap.Error(err))
	}
	_ = in.store.Reload() // policyRejected was told
}

// shutdown drains the proxy and records the end.
func (in *instance) shutdown(why string, signals <-chan os.Signal) error {
	drain := time.Duration(in.config.Timeouts.Drain)
	in.proxy.Drain()
	in.log.Info("stopping", zap.String("why", why), zap.Duration("drain", drain))
	ctx, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	go func() {
		for {
			select {
			case sig := <-signals:
				if sig != syscall.SIGHUP {
					cancel()
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	left := in.proxy.Shutdown(ctx)
	in.log.Info("stopped", zap.Int("closed_early", left))
	if err := in.record(lifecycle("process", audit.LifecycleStop, fmt.Sprintf("stopped: %s; %d open connections were closed", why, left))); err != nil {
		return failure{fmt.Errorf("recording the stop: %w", err)}
	}
	return nil
}
