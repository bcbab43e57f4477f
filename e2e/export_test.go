//go:build linux

package e2e_test

import (
	"strings"
	"testing"
)

// TestDevicesPullThePolicyInForce asks the admin listener for exports before and after a reload.
func TestDevicesPullThePolicyInForce(t *testing.T) {
	p := start(t, settings{policy: "groups: [sepm-cloud]\nallow: [{url: \"https://*.local.example\"}]\n"})
	for path, want := range map[string]string{
		"/export/edl":                     "*.local.example/\n",
		"/export/squid?lang=es":           "# edición ",
		"/export/pac":                     `var proxy = "PROXY ` + p.address + `";`,
		"/export/dnsmasq":                 "nftset=/local.example/",
		"/export/csv?group=local":         "local,local,https,*.local.example,443,,,local\n",
		"/export/hosts?group=sepm-cloud":  "us.spoc.securitycloud.symantec.com\n",
		"/export/fortigate":               `set fqdn "*.local.example"`,
		"/export/json?group=local&lang=x": "want en or es",
	} {
		if _, text := p.ask(path); !strings.Contains(text, want) || strings.Contains(text, always) {
			t.Errorf("%s has no %q, or has %s:\n%s", path, want, always, text)
		}
	}
	p.replacePolicy("groups: [agent]\n")
	eventually(t, "exports of the new policy", func() bool {
		_, text := p.ask("/export/zscaler")
		return strings.Contains(text, always) && !strings.Contains(text, "local.example")
	})
}
