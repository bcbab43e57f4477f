package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strings"

	"github.com/sepproxy/sepproxy/admin"
	"github.com/sepproxy/sepproxy/catalog"
	"github.com/sepproxy/sepproxy/internal/strictyaml"
)

// adminConfig says who may read what of the admin listener.
type adminConfig struct {
	Address   string `yaml:"address"`
	TokenFile string `yaml:"token_file"`
	PACProxy  string `yaml:"pac_proxy"`
}

func (a *adminConfig) check(doc *strictyaml.Document) {
	if a.Address != "" {
		checkAddress(doc, "admin.address", a.Address)
		if host, _, err := net.SplitHostPort(a.Address); err == nil && !isLoopback(host) && a.TokenFile == "" {
			doc.Errorf("admin.address", "other machines can reach %s: give admin.token_file too, a file with a token for the live page, or listen on 127.0.0.1", a.Address)
		}
	}
	if a.PACProxy == "" {
		return
	}
	if way, err := catalog.ParsePACResult("PROXY " + a.PACProxy); err != nil || strings.Contains(way, ";") {
		doc.Errorf("admin.pac_proxy", "want the host:port by which clients reach the proxy, such as proxy.example.com:3128, not %q", a.PACProxy)
	}
}

// isLoopback tells whether nobody but this machine reaches a listener on host.
func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback() || strings.EqualFold(host, "localhost")
}

// shortestToken is how many characters cannot be guessed by trying.
const shortestToken = 16

// token reads token_file; "" where there is none.
func (a *adminConfig) token() (string, error) {
	if a.TokenFile == "" {
		return "", nil
	}
	data, err := os.ReadFile(a.TokenFile)
	if err != nil {
		return "", fmt.Errorf("reading admin.token_file: %w", err)
	}
	token := strings.TrimSpace(string(data))
	if len(token) < shortestToken || strings.ContainsAny(token, "\r\n") {
		return "", fmt.Errorf("reading admin.token_file: %s has to hold one line of at least %d characters: make one with openssl rand -hex 32", a.TokenFile, shortestToken)
	}
	return token, nil
}

// pages is what the admin listener shows, once s is open.
func (in *instance) pages(s sockets) admin.Config {
	host, _, _ := net.SplitHostPort(s.admin.Addr().String())
	return admin.Config{Ready: in.ready, Loopback: isLoopback(host), Token: in.token, Page: in.livePage(),
		PAC:     func(here, rest string) (string, error) { return in.pac(s.proxy[0].Addr(), here, rest) },
		Exports: catalog.Formats(),
		Export: func(format, here string, query url.Values) ([]byte, error) {
			return in.export(format, in.config.Admin.pacProxy(s.proxy[0].Addr(), here), query)
		}}
}

// export is /export/FORMAT: what the policy in force allows, with ?group= and ?lang= as the flags of catalog export.
func (in *instance) export(format, proxy string, query url.Values) ([]byte, error) {
	lang := cmp.Or(query.Get("lang"), "en")
	if err := checkLang(lang); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err := catalog.Export(&out, in.store.Current().Allowed(), format, catalog.Options{Group: query.Get("group"), Lang: lang, Proxy: proxy})
	return out.Bytes(), err
}

// pacProxy is the proxy that PAC files name to a client that reached this machine as here.
func (a *adminConfig) pacProxy(listener net.Addr, here string) string {
	if a.PACProxy != "" {
		return a.PACProxy
	}
	return reachable(listener, here)
}

// pac is /proxy.pac for a client that reached this machine as here: what the policy in force lets
// anybody reach goes to the proxy.
func (in *instance) pac(listener net.Addr, here, rest string) (string, error) {
	if rest == "" {
		rest = "DIRECT"
	}
	rest, err := catalog.ParsePACResult(rest)
	if err != nil {
		return "", fmt.Errorf("default: %w", err)
	}
	proxy, err := catalog.ParsePACResult("PROXY " + in.config.Admin.pacProxy(listener, here))
	if err != nil {
		return "", errors.New("set admin.pac_proxy: " + err.Error())
	}
	return catalog.PAC(in.store.Current().Hosts(), proxy, rest), nil
}

// reachable is the listener's address for clients: where it is every address of the machine, the one
// that they reached.
func reachable(listener net.Addr, here string) string {
	host, port, _ := net.SplitHostPort(listener.String())
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsUnspecified() {
		host = here
	}
	return net.JoinHostPort(host, port)
}
