package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sepproxy/sepproxy/audit"
	"github.com/sepproxy/sepproxy/policy"
)

func explainCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "explain TARGET...",
		Short: "Tell what would be decided for a URL or host:port, and why",
		Long: `Tell what the policy would decide for each TARGET: https://host (what a client asks for with
CONNECT), http://host/path, host:port, or host (port 443). Nothing is resolved or connected to, so
the addresses behind a name are not judged. The exit code is 1 if any target is denied.`,
		Example: "  sepproxy explain https://ent-shasta-rrs.symantec.com http://liveupdate.symantec.com/minitri.flg",
		Args:    cobra.MinimumNArgs(1),
	}
	load := configFlag(cmd)
	client := cmd.Flags().String("client", "127.0.0.1", "`IP` address of the client that asks")
	asJSON := cmd.Flags().Bool("json", false, "print one JSON object a target, a line each")
	cmd.RunE = func(cmd *cobra.Command, targets []string) error {
		c, err := load()
		if err != nil {
			return err
		}
		from, err := netip.ParseAddr(*client)
		if err != nil {
			return fmt.Errorf("--client: want an IP address, not %q", *client)
		}
		p, err := policy.Load(c.Policy.Path, time.Now())
		if err != nil {
			return err
		}
		return explain(cmd.OutOrStdout(), p, from, targets, *asJSON)
	}
	return cmd
}

// An explanation is what explain --json prints of a target.
type explanation struct {
	Target     string        `json:"target"`
	Verdict    string        `json:"verdict"`
	Reason     policy.Reason `json:"reason"`
	Services   []string      `json:"services"`
	Documented bool          `json:"documented"`
}

func explain(w io.Writer, p *policy.Policy, client netip.Addr, targets []string, asJSON bool) error {
	denied := false
	for _, text := range targets {
		r, malformed := requestFor(text)
		r.Client, r.Time = client, time.Now()
		v := p.Decide(r)
		denied = denied || !v.Allow
		if asJSON {
			if err := printJSON(w, text, v); err != nil {
				return err
			}
			continue
		}
		why := p.Explain(r)
		if malformed != nil {
			why += " (" + malformed.Error() + ")"
		}
		fmt.Fprintf(w, "%s: %s (%s). %s\n", audit.Printable(text), verdictWord(v), v.Reason, audit.Printable(why))
	}
	if denied {
		return errNo
	}
	return nil
}

func printJSON(w io.Writer, target string, v policy.Verdict) error {
	services := v.Services
	if services == nil {
		services = []string{}
	}
	return json.NewEncoder(w).Encode(explanation{target, verdictWord(v), v.Reason, services, v.Documented})
}

func verdictWord(v policy.Verdict) string {
	if v.Allow {
		return "allow"
	}
	return "deny"
}

// requestFor makes the request that a client would send for what somebody typed.
func requestFor(text string) (policy.Request, error) {
	scheme, rest, isURL := strings.Cut(text, "://")
	if isURL && !strings.EqualFold(scheme, "https") {
		target, err := policy.ParseAbsolute(text)
		return policy.Request{Method: http.MethodGet, Target: target}, err
	}
	if isURL {
		text, _, _ = strings.Cut(rest, "/")
		text, _, _ = strings.Cut(text, "?")
	}
	if !hasPort(text) {
		text += ":443"
	}
	target, err := policy.ParseAuthority(text)
	return policy.Request{Method: http.MethodConnect, Target: target}, err
}

// hasPort tells host:port and [IPv6]:port from host and [IPv6].
func hasPort(authority string) bool {
	return strings.LastIndexByte(authority, ':') > strings.LastIndexByte(authority, ']')
}
