package report

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/sepproxy/sepproxy/audit"
	"github.com/sepproxy/sepproxy/catalog"
)

// ofVendor makes options with the built-in catalog.
func ofVendor() Options {
	var o Options
	o.Catalog = catalog.Builtin()
	for s := range o.Catalog.Services() {
		o.Services = append(o.Services, *s)
	}
	return o
}

func TestWhatIsKnownOfAnUndocumentedEndpoint(t *testing.T) {
	seen := ask{at: at(1), client: "10.0.0.7", host: "new.example.net", unlisted: true}
	r := buildOf(t, Options{}, func(tr *trail) {
		for i, a := range []ask{seen, seen, {at: at(2), client: "10.0.0.8", host: seen.host, unlisted: true}} {
			d := a.record(audit.ActionDecision)
			d.HTTP = &audit.HTTP{Request: &audit.HTTPRequest{Method: "CONNECT"}}
			d.Event.Reason, d.Sepproxy.Reason = "observed", "observed"
			tr.add(d)
			o := a.record(audit.ActionOutcome)
			sent, received := int64(100+i), int64(1000)
			o.Source.Bytes, o.Destination = &sent, &audit.Endpoint{Bytes: &received}
			o.TLS = &audit.TLS{Client: &audit.TLSClient{ServerName: seen.host}}
			o.Event.Outcome, o.Sepproxy.Reason = "success", "observed"
			if i == 2 {
				o.Event.Outcome, o.Sepproxy.Reason = "failure", "idle_timeout"
			}
			tr.add(o)
		}
	})
	want := []Undocumented{{
		Scheme: "https", Host: seen.host, Port: 443, Requests: 3, Allowed: 3, Failures: 1, Clients: 2,
		Bytes: Bytes{Received: 3000, Sent: 303}, FirstSeen: Moment{at(1)}, LastSeen: Moment{at(2)},
		Addresses: []string{"10.0.0.7", "10.0.0.8"},
		Methods:   []Count{{"CONNECT", 3}}, Reasons: []Count{{"observed", 3}}, Names: []Count{{seen.host, 3}},
		Ended: []Count{{"success", 2}, {"idle_timeout", 1}},
		Class: ClassOther, ClassReason: english.classOther, Suggest: "https://new.example.net",
	}}
	if !reflect.DeepEqual(r.Undocumented, want) {
		t.Errorf("got  %+v\nwant %+v", r.Undocumented, want)
	}
}

func TestClassesComeFromData(t *testing.T) {
	for _, tc := range []struct{ host, class, reason, resembles, broad string }{
		{"new.symantec.com", ClassVendor, "symantec.com is also the domain of the documented ", "", ""},
		{"euwe1.r3.securitycloud.symantec.com", ClassVendor, "symantec.com", "usea1.r3.securitycloud.symantec.com", ""},
		{"eu.spoc.securitycloud.symantec.com", ClassVendor, "symantec.com", "us.spoc.securitycloud.symantec.com", ""},
		{"tus2gwynwapex02.symantec.com", ClassVendor, "symantec.com", "tus1gwynwapex01.symantec.com", ""},
		{"notsymantec.com", ClassOther, "nothing is known", "", ""},
		{"symantec.com.example.net", ClassOther, "nothing is known", "", ""},
		{"ocsp.digicert.com", ClassPKI, "DigiCert; see https://", "", ""},
		{"r3.o.lencr.org", ClassPKI, "Let's Encrypt; see https://", "", ""},
		{"www.digicert.com", ClassOther, "nothing is known", "", ""},
		{"ctldl.windowsupdate.com", ClassPKI, "Microsoft, trusted roots of Windows; see https://", "", ""},
		{"au.download.windowsupdate.com", ClassPlatform, "Windows Update", "", ""},
		{"detectportal.firefox.com", ClassPlatform, "Firefox", "", ""},
		{"other.okta.com", ClassOther, "nothing is known", "", ""},
		{"evil-bucket.s3.amazonaws.com", ClassOther, "nothing is known", "", "below s3.amazonaws.com anybody can have a name"},
		{"eu-west-1-s3-symc-prod-saep-cis.s3.amazonaws.com", ClassOther, "nothing is known",
			"us-east-1-s3-symc-prod-saep-cis.s3.amazonaws.com", "below s3.amazonaws.com anybody can have a name"},
		{"storage.googleapis.com", ClassOther, "nothing is known", "", "Every customer of Google Cloud Storage"},
		{"192.0.2.7", ClassOther, "nothing is known", "", ""},
		{"com", ClassOther, "nothing is known", "", ""},
	} {
		o := ofVendor()
		r := buildOf(t, o, func(tr *trail) {
			tr.decision(ask{at: noon, host: tc.host, port: 8443, deny: "not_listed", unlisted: true})
		})
		u := r.Undocumented[0]
		if u.Class != tc.class || !strings.Contains(u.ClassReason, tc.reason) || u.Resembles != tc.resembles ||
			!strings.HasPrefix(u.Broad, tc.broad) || (tc.broad == "") != (u.Broad == "") {
			t.Errorf("%s: %s because %q, resembles %q, broad %q", tc.host, u.Class, u.ClassReason, u.Resembles, u.Broad)
		}
	}
}

func TestKnownHostsAreSoundAndDigiCertIsFirst(t *testing.T) {
	for host, who := range map[string]string{"ocsp.digicert.com": "DigiCert", "crl4.digicert.com": "DigiCert", "x.pki.goog": "Google Trust Services"} {
		if k := pki().find(host); k == nil || k.Who.EN != who {
			t.Errorf("%s: %+v", host, k)
		}
	}
	for name, known := range map[string]knownHosts{"pki": pki(), "platform": platform()} {
		for host, k := range known {
			if !strings.HasPrefix(k.Source, "https://") {
				t.Errorf("%s: %s has the source %q", name, host, k.Source)
			}
		}
	}
	if platform().find("notwindowsupdate.com") != nil || platform().find("windowsupdate.com") != nil {
		t.Error("a pattern covers more than names below it")
	}
}

func TestMistakesInKnownHostsAreFound(t *testing.T) {
	for in, want := range map[string]string{
		"hosts: [{who: {en: a, es: b}, source: https://x, names: [A.example]}]":            "not in normal form",
		"hosts: [{who: {en: a, es: b}, source: https://x, names: [a.example, a.example]}]": "stands here already",
		"hosts: [{who: {en: a}, source: https://x, names: [a.example]}]":                   "in both languages",
		"hosts: [{who: {en: a, es: b}, names: [a.example]}]":                               "its source",
		"hosts: [{who: {en: a, es: b}, source: https://x, name: [a.example]}]":             `unknown key "name"`,
		"hosts: [{who: {en: a, es: b}, source: https://x, names: ['*']}]":                  "stands only at the front",
	} {
		if _, err := parseKnown("known.yaml", []byte(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", in, err, want)
		}
	}
}

func TestNamesOfOneEndpointAreBounded(t *testing.T) {
	r := buildOf(t, Options{}, func(tr *trail) {
		for i := range 3 * maxAddresses {
			a := ask{at: noon, client: fmt.Sprintf("10.0.1.%d", i), host: "x.example.net", unlisted: true}
			tr.decision(a)
			o := a.record(audit.ActionOutcome)
			o.TLS = &audit.TLS{Client: &audit.TLSClient{ServerName: fmt.Sprintf("n%d.example.net", i)}}
			tr.add(o)
		}
	})
	u := r.Undocumented[0]
	if len(u.Addresses) != maxAddresses || len(u.Names) != maxCounts+1 || u.Names[maxCounts] != (Count{Other, 3*maxAddresses - maxCounts}) {
		t.Errorf("%d addresses, names %v", len(u.Addresses), u.Names)
	}
}

// What records attribute to several services counts in each and once in all, and joint says so.
func TestJointUseReconcilesServicesWithTotals(t *testing.T) {
	r := buildOf(t, Options{}, site)
	var apart, joint int64
	for _, s := range r.Services {
		apart += s.Requests - s.Joint
	}
	for _, j := range r.Joint {
		joint += j.Requests
	}
	if nothing := int64(2); apart+joint+nothing != r.Transactions || joint != 1 { // other.example.net and nonsense
		t.Errorf("%d in one service, %d in several, %d in none, %d transactions", apart, joint, nothing, r.Transactions)
	}
	want := []Joint{{Services: both, Host: "shared.example.com", Port: 443, Requests: 1, Clients: 1, Bytes: Bytes{300, 5000}}}
	if !reflect.DeepEqual(r.Joint, want) {
		t.Errorf("got %+v", r.Joint)
	}
}

func TestUploadsToMultiTenantHosts(t *testing.T) {
	o := ofVendor()
	storage := ask{at: noon, host: "storage.googleapis.com", services: []string{"agent-cloud.storage", "sepm-cloud.storage"}}
	r := buildOf(t, o, func(tr *trail) {
		for i := range maxUploads + 3 {
			a := storage
			a.client = fmt.Sprintf("10.0.0.%d", i)
			tr.decision(a)
			tr.outcome(a, 1, int64(1000+i), 10, "")
		}
	})
	m := r.MultiTenant[0]
	if m.Host != storage.host || m.Requests != maxUploads+3 || m.Clients != maxUploads+3 || !strings.HasPrefix(m.Shared, "Every customer") {
		t.Fatalf("got %+v", m)
	}
	first, rest := m.Uploads[0], m.Uploads[maxUploads]
	if first != (Upload{"10.0.0.102", 1, Bytes{10, 1102}}) || rest != (Upload{Other, 3, Bytes{30, 3003}}) {
		t.Errorf("first %+v, rest %+v", first, rest)
	}
	if i := slices.IndexFunc(r.MultiTenant, func(m MultiTenant) bool { return m.Requests == 0 }); i != 1 || r.MultiTenant[1].Uploads == nil {
		t.Errorf("hosts nobody used have their row, got %+v", r.MultiTenant)
	}
}

func TestClientsTable(t *testing.T) {
	r := buildOf(t, Options{}, site)
	want := []Client{
		{Address: "10.0.0.7", Requests: 4, Denied: 2, Failures: 1, Undocumented: 1, Bytes: Bytes{2000, 110}, FirstSeen: Moment{at(1)}, LastSeen: Moment{at(7)}},
		{Address: "10.0.0.8", Requests: 1, Bytes: Bytes{300, 5000}, FirstSeen: Moment{at(5)}, LastSeen: Moment{at(14)}},
		{Address: "10.0.0.9", Requests: 1, Denied: 1, FirstSeen: Moment{at(8)}, LastSeen: Moment{at(8)}},
	}
	if !reflect.DeepEqual(r.PerClient, want) {
		t.Errorf("got  %+v\nwant %+v", r.PerClient, want)
	}
}
