package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// healthTimeout bounds a Health call whose context has no deadline.
const healthTimeout = 5 * time.Second

// Health asks the admin listener at address (host:port, as in the config) whether the proxy is
// ready, and returns nil if it is. An address without a host, or with the unspecified one, is
// asked on loopback. No proxy of the environment is used.
func Health(ctx context.Context, address string) error {
	target, err := dialable(address)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	url := "http://" + target + "/readyz"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("asking %s: %w", url, err)
	}
	resp, err := ask(req)
	if err != nil {
		return fmt.Errorf("asking the running proxy: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	reason, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	return fmt.Errorf("not ready: %s says %s: %q", url, resp.Status, strings.TrimSpace(string(reason)))
}

// ask sends one request over one connection and follows no redirect: only /readyz can answer.
func ask(req *http.Request) (*http.Response, error) {
	client := http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return client.Do(req)
}

// dialable turns an address to listen on into one to connect to.
func dialable(address string) (string, error) {
	if address == "" {
		return "", errors.New(`the admin listener is off (admin.address is ""): there is nobody to ask`)
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Errorf("admin.address %q: want host:port: %w", address, err)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	switch ip, err := netip.ParseAddr(host); {
	case err != nil || !ip.IsUnspecified():
	case ip.Is4():
		host = "127.0.0.1"
	default:
		host = "::1"
	}
	return net.JoinHostPort(host, port), nil
}
