package admin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// shutdownGrace is how long answers under way may take once the end has come.
const shutdownGrace = 3 * time.Second

// Serve answers on ln until ctx ends, lets the answers under way finish for up to three seconds,
// and returns nil; an error means that the listener broke. It closes ln. The contexts of requests end with
// ctx, so that answers without an end have one.
func Serve(ctx context.Context, ln net.Listener, h http.Handler) error {
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    16 << 10,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	select {
	case err := <-served:
		_ = srv.Close() // the listener is gone already; this ends what connections are left
		return fmt.Errorf("serving admin pages on %s: %w", ln.Addr(), err)
	case <-ctx.Done():
	}
	stop(srv)
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving admin pages on %s: %w", ln.Addr(), err)
	}
	return nil
}

// stop waits for answers under way, but not for ever.
func stop(srv *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownGrace)
	defer cancel()
	if srv.Shutdown(ctx) != nil {
		_ = srv.Close()
	}
}
