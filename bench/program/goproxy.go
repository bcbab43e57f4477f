//go:build linux

package program

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/elazarl/goproxy"
)

// ServeGoproxy is the role of the program that one writes with goproxy in an afternoon: an allowlist
// and a line for each request. The arguments are the address and the file of the log.
func ServeGoproxy(ctx context.Context, args []string) error {
	log, err := os.OpenFile(args[1], os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	proxy := goproxy.NewProxyHttpServer()
	allow := addressOf()
	dial := func(ctx context.Context, network, target string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(target)
		if err != nil {
			return nil, err
		}
		return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort(allow[host], port))
	}
	decide := func(method, host, client string) bool {
		name, _, _ := net.SplitHostPort(host)
		_, listed := allow[name]
		fmt.Fprintln(log, time.Now().Format(time.RFC3339Nano), client, method, host, listed)
		return listed
	}
	proxy.Tr = &http.Transport{DialContext: dial, MaxIdleConnsPerHost: 8}
	proxy.ConnectDial = func(network, addr string) (net.Conn, error) { return dial(ctx, network, addr) }
	proxy.OnRequest().HandleConnectFunc(func(host string, c *goproxy.ProxyCtx) (*goproxy.ConnectAction, string) {
		if !decide("CONNECT", host, c.Req.RemoteAddr) {
			c.Resp = refusal(c.Req) //nolint:bodyclose // goproxy writes it and is done with it
			return goproxy.RejectConnect, host
		}
		return goproxy.OkConnect, host
	})
	proxy.OnRequest().DoFunc(func(r *http.Request, _ *goproxy.ProxyCtx) (*http.Request, *http.Response) {
		if !decide(r.Method, r.Host, r.RemoteAddr) {
			return r, refusal(r)
		}
		return r, nil
	})
	server := &http.Server{Addr: args[0], Handler: proxy, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	return server.ListenAndServe()
}

func refusal(r *http.Request) *http.Response {
	return goproxy.NewResponse(r, goproxy.ContentTypeText, http.StatusForbidden, "not listed")
}
