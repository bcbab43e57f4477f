package report

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/sepproxy/sepproxy/audit"
	"github.com/sepproxy/sepproxy/catalog"
)

func TestUsages(t *testing.T) {
	var tr trail
	decide := func(second int, ip, scheme, host, verdict string) {
		tr.add(&audit.Record{Time: at(second), Event: audit.Event{Action: audit.ActionDecision}, Source: &audit.Endpoint{IP: ip},
			URL: &audit.URL{Scheme: scheme, Domain: host, Port: 443}, Sepproxy: audit.Sepproxy{Verdict: verdict}})
	}
	decide(1, "10.0.0.1", "https", "a.example.com", "allow")
	decide(5, "10.0.0.2", "https", "a.example.com", "deny")
	decide(3, "10.0.0.1", "https", "a.example.com", "allow")
	decide(4, "10.0.0.1", "http", "a.example.com", "allow")
	tr.add(&audit.Record{Time: at(9), Event: audit.Event{Action: audit.ActionOutcome}, URL: &audit.URL{Scheme: "https", Domain: "a.example.com", Port: 443}})
	tr.WriteString("no record\n")
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	if err := os.WriteFile(path, tr.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	usages, broken, err := Usages(t.Context(), []string{path, path}, []catalog.Endpoint{https("a.example.com"), https("*.example.com"), https("b.example.com")})
	if err != nil || broken != 1 {
		t.Fatalf("%d broken, %v", broken, err)
	}
	for i, u := range usages[:2] {
		if u.Requests != 3 || u.Denied != 1 || u.Clients != 2 || !u.LastSeen.Equal(at(5)) {
			t.Errorf("%d: %+v", i, u)
		}
	}
	if u := usages[2]; u.Requests != 0 || !u.LastSeen.IsZero() {
		t.Errorf("nobody asked for it: %+v", u)
	}
	if _, _, err := Usages(t.Context(), []string{path + ".none"}, nil); err == nil {
		t.Error("a file that is not there is no error")
	}
}

// TestUsagesWantsWholeFiles: of a file cut short, nobody knows what else was used.
func TestUsagesWantsWholeFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl.gz")
	if err := os.WriteFile(path, []byte("\x1f\x8b\x08\x00cut"), 0o600); err != nil {
		t.Fatal(err)
	}
	if usages, _, err := Usages(t.Context(), []string{path}, nil); err == nil {
		t.Errorf("got %v", usages)
	}
}
